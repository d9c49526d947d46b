"""Failover: where a message goes that its carrier did not accept."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.identity import ids
from pipeline.rules.routing.failover import BatchProgress, FailoverPlan, NextCarrier, Remainder, plan
from pipeline.rules.routing.retry_delays import WAITS
from pipeline.rules.routing.routes import RouteQuery
from schema.message_class import MessageClass
from schema.vocabulary import Code

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
STATE = BatchProgress(
    MessageClass.TRANSACTIONAL, "alpha", attempt=1, round=0, tried=(), valid_until=NOW + timedelta(days=2)
)
FIRST = ids.new_ids(NOW, 0)


def remainder(place: int = 0, *, attempted: bool = True, phone: str = "+2348012345678") -> Remainder:
    return Remainder(ids.after(FIRST, place), RouteQuery(phone, "NG", "ACME"), attempted)


def through(*carriers: str) -> Callable[[RouteQuery], list[str]]:
    """Return routes that lead every number through these carriers."""
    return lambda _ask: list(carriers)


def next_of(state: BatchProgress, *carriers: str, attempted: bool = True) -> NextCarrier | Code:
    """Return where one leftover goes, or why it fails."""
    found = plan(state, [remainder(attempted=attempted)], through(*carriers), NOW)
    steps: list[tuple[NextCarrier | Code, list[UUID]]] = [*found.next_carrier.items(), *found.failed.items()]
    [(step, members)] = steps
    assert members == [remainder().id]
    return step


def test_a_message_that_a_carrier_refused_goes_to_the_next_carrier_at_once() -> None:
    assert next_of(STATE, "alpha", "beta") == NextCarrier("beta", attempt=2, round=0, tried=("alpha",), due_at=None)


def test_a_carrier_that_refused_is_not_tried_again_in_the_same_round() -> None:
    third = replace(STATE, carrier="beta", attempt=2, tried=("alpha",))

    step = next_of(third, "alpha", "beta", "gamma")

    assert step == NextCarrier("gamma", attempt=3, round=0, tried=("alpha", "beta"), due_at=None)


def test_a_message_that_all_carriers_refused_waits_for_another_round() -> None:
    last = replace(STATE, carrier="beta", attempt=2, tried=("alpha",))

    step = next_of(last, "alpha", "beta")

    assert isinstance(step, NextCarrier)
    assert (step.carrier, step.attempt, step.round, step.tried) == ("alpha", 3, 1, ())
    seconds = WAITS[MessageClass.TRANSACTIONAL][0]
    assert step.due_at is not None
    assert timedelta(seconds=seconds / 2) <= step.due_at - NOW <= timedelta(seconds=seconds)


def test_the_wait_grows_with_each_round_and_after_the_last_round_the_message_fails() -> None:
    waits = [next_of(replace(STATE, round=number), "alpha") for number in range(len(WAITS[STATE.message_class]))]

    pauses = [step.due_at - NOW for step in waits if isinstance(step, NextCarrier) and step.due_at]
    assert len(pauses) == len(waits)
    assert pauses == sorted(pauses)
    assert next_of(replace(STATE, round=len(waits)), "alpha") is Code.NO_CARRIER_LEFT


def test_a_message_that_was_not_attempted_keeps_its_attempt_number() -> None:
    step = next_of(replace(STATE, attempt=3), "alpha", "beta", attempted=False)

    assert step == NextCarrier("beta", attempt=3, round=0, tried=("alpha",), due_at=None)


def test_a_carrier_that_was_unreachable_is_not_tried_again_in_the_same_round() -> None:
    step = next_of(replace(STATE, carrier="beta", tried=("alpha",)), "alpha", "beta", attempted=False)

    assert isinstance(step, NextCarrier)
    assert (step.carrier, step.attempt, step.round, step.tried) == ("alpha", 1, 1, ())
    assert step.due_at is not None


def test_a_message_without_a_route_waits_for_its_own_carrier() -> None:
    step = next_of(STATE, attempted=False)

    assert isinstance(step, NextCarrier)
    assert (step.carrier, step.attempt, step.round) == ("alpha", 1, 1)
    assert step.due_at is not None


def test_a_message_without_a_route_in_all_rounds_fails() -> None:
    tired = replace(STATE, round=len(WAITS[STATE.message_class]))

    assert next_of(tired, attempted=False) is Code.NO_CARRIER_LEFT


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        pytest.param(timedelta(0), Code.EXPIRED, id="this very moment"),
        pytest.param(timedelta(seconds=-1), Code.EXPIRED, id="a second ago"),
        pytest.param(timedelta(seconds=1), "beta", id="a second to go"),
    ],
)
def test_a_message_past_its_validity_expires(left: timedelta, expected: object) -> None:
    step = next_of(replace(STATE, valid_until=NOW + left), "alpha", "beta")

    assert (step.carrier if isinstance(step, NextCarrier) else step) == expected


def test_a_message_expires_if_its_wait_would_exceed_its_validity() -> None:
    seconds = WAITS[STATE.message_class][0]

    assert next_of(replace(STATE, valid_until=NOW + timedelta(seconds=seconds / 2 - 1)), "alpha") is Code.EXPIRED
    assert isinstance(next_of(replace(STATE, valid_until=NOW + timedelta(seconds=seconds + 1)), "alpha"), NextCarrier)


def test_messages_with_the_same_next_carrier_form_one_batch_in_their_order() -> None:
    def chain(ask: RouteQuery) -> list[str]:
        return ["alpha", "beta"] if ask.phone.startswith("+234") else ["alpha", "gamma"]

    remainders = [remainder(place, phone="+2348012345678" if place % 2 else "+447911123456") for place in range(6)]

    found = plan(STATE, remainders, chain, NOW)

    assert {step.carrier: members for step, members in found.next_carrier.items()} == {
        "beta": [remainders[place].id for place in (1, 3, 5)],
        "gamma": [remainders[place].id for place in (0, 2, 4)],
    }


def test_all_messages_of_a_batch_that_wait_form_one_successor_batch() -> None:
    found = plan(STATE, [remainder(place) for place in range(50)], through("alpha"), NOW)

    assert len(found.next_carrier) == 1


def test_attempted_and_unattempted_messages_of_a_batch_form_separate_successor_batches() -> None:
    found = plan(STATE, [remainder(0), remainder(1, attempted=False)], through("alpha", "beta"), NOW)

    assert found == FailoverPlan(
        next_carrier={
            NextCarrier("beta", 2, 0, ("alpha",), None): [remainder(0).id],
            NextCarrier("beta", 1, 0, ("alpha",), None): [remainder(1).id],
        },
        failed={},
    )


def test_an_empty_remainder_makes_an_empty_plan() -> None:
    assert plan(STATE, [], through("beta"), NOW) == FailoverPlan({}, {})


names = st.sampled_from("abcde")


@given(
    carriers=st.lists(names, unique=True),
    state=st.builds(
        BatchProgress,
        message_class=st.sampled_from(MessageClass),
        carrier=names,
        attempt=st.integers(1, 20),
        round=st.integers(0, 8),
        tried=st.lists(names, unique=True).map(tuple),
        valid_until=st.integers(-10, 20_000).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    ),
    attempted=st.lists(st.booleans(), max_size=5),
)
def test_a_plan_has_each_message_once_at_no_tried_carrier_and_within_its_validity(
    carriers: list[str], state: BatchProgress, attempted: list[bool]
) -> None:
    remainders = [remainder(place, attempted=asked) for place, asked in enumerate(attempted)]

    found = plan(state, remainders, through(*carriers), NOW)

    placed: list[UUID] = [id_ for members in (*found.next_carrier.values(), *found.failed.values()) for id_ in members]
    assert sorted(placed) == [each.id for each in remainders]
    for step, members in found.next_carrier.items():
        asked = attempted[members[0].int - FIRST.int]
        assert state.valid_until > (step.due_at or NOW)
        assert step.due_at is not None or step.carrier not in {*state.tried, state.carrier}
        assert step.attempt == state.attempt + asked
        assert step.round == state.round + (step.due_at is not None)


def test_a_failover_plan_is_deterministic() -> None:
    remainders = [remainder(place, phone=f"+23480123456{place:02d}") for place in range(20)]

    def chain(ask: RouteQuery) -> list[str]:
        return ["beta", "gamma"] if int(ask.phone[-1]) < 5 else ["gamma", "beta"]

    assert plan(STATE, remainders, chain, NOW) == plan(STATE, remainders, chain, NOW)
