"""Weighted rendezvous hashing: shares of recipients, and stability when the set changes."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.routing.rendezvous_hashing import RendezvousHash

PHONES = [f"+23480{number:08d}" for number in range(10_000)]
equals = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10_000), min_size=2)
phones = st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True)


@pytest.mark.parametrize(
    "weights",
    [
        pytest.param({"a": 50, "b": 30, "c": 20}, id="three"),
        pytest.param({"a": 100, "b": 100}, id="alike"),
        pytest.param({"a": 1, "b": 9_999}, id="hardly any"),
        pytest.param({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1}, id="six"),
    ],
)
@pytest.mark.parametrize("sender", ["ACME", "+4915112345678"])
def test_each_carrier_gets_recipients_in_proportion_to_its_weight(weights: dict[str, int], sender: str) -> None:
    shares = RendezvousHash(list(weights.items()))

    served = Counter(shares.first(sender, phone) for phone in PHONES)

    for name, weight in weights.items():
        expected = len(PHONES) * weight / sum(weights.values())
        assert abs(served[name] - expected) < 4 * expected**0.5 + 1, served


def test_recipients_of_an_unavailable_carrier_are_distributed_by_the_weights_of_the_others() -> None:
    shares = RendezvousHash([("a", 50), ("b", 30), ("c", 20)])

    seconds = Counter(order[1] for phone in PHONES if (order := shares.order("ACME", phone))[0] == "a")

    assert abs(seconds["b"] / seconds.total() - 0.6) < 0.03


@given(equals, st.text(max_size=11), phones)
def test_the_order_of_carriers_for_a_recipient_does_not_depend_on_their_listing(
    equals: dict[str, int], sender: str, phone: str
) -> None:
    lines = list(equals.items())

    order = RendezvousHash(lines).order(sender, phone)

    assert sorted(order) == sorted(equals)
    assert RendezvousHash(lines[::-1]).order(sender, phone) == order
    assert RendezvousHash(lines).first(sender, phone) == order[0]


@given(equals, st.text(max_size=11), phones, st.data())
def test_removing_a_carrier_moves_only_its_recipients(
    equals: dict[str, int], sender: str, phone: str, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(equals)))
    before = RendezvousHash(list(equals.items())).order(sender, phone)

    left = [line for line in equals.items() if line[0] != gone]

    assert RendezvousHash(left).order(sender, phone) == [name for name in before if name != gone]


@given(equals, st.text(max_size=11), phones, st.integers(1, 10_000), st.data())
def test_increasing_a_weight_moves_recipients_only_to_that_carrier(
    equals: dict[str, int], sender: str, phone: str, more: int, data: st.DataObject
) -> None:
    grown = data.draw(st.sampled_from(sorted(equals)))
    before = RendezvousHash(list(equals.items())).first(sender, phone)

    after = RendezvousHash(list((equals | {grown: equals[grown] + more}).items())).first(sender, phone)

    assert after in (before, grown)


def test_recipients_are_distributed_independently_for_each_sender() -> None:
    shares = RendezvousHash([("a", 1), ("b", 1)])

    alike = sum(shares.first("ACME", phone) == shares.first("OTHER", phone) for phone in PHONES)

    assert 4_700 < alike < 5_300
