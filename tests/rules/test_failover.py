"""Where a message goes that its carrier did not take."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules import ids
from pipeline.rules.failover import Leftover, Onward, Plan, Stand, plan
from pipeline.rules.retries import WAITS
from pipeline.rules.routes import Ask
from schema.message_class import MessageClass
from schema.vocabulary import Code

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
STAND = Stand(MessageClass.TRANSACTIONAL, "alpha", attempt=1, round=0, tried=(), valid_until=NOW + timedelta(days=2))
FIRST = ids.mint(NOW, 0)


def leftover(place: int = 0, *, attempted: bool = True, phone: str = "+2348012345678") -> Leftover:
    return Leftover(ids.after(FIRST, place), Ask(phone, "NG", "ACME"), attempted)


def through(*carriers: str) -> Callable[[Ask], list[str]]:
    """Return routes that lead every number through these carriers."""
    return lambda _ask: list(carriers)


def next_of(stand: Stand, *carriers: str, attempted: bool = True) -> Onward | Code:
    """Return where one leftover goes, or why it fails."""
    found = plan(stand, [leftover(attempted=attempted)], through(*carriers), NOW)
    [(step, members)] = [*found.onward.items(), *found.failed.items()]
    assert members == [leftover().id]
    return step


def test_what_a_carrier_refused_goes_to_the_next_at_once() -> None:
    assert next_of(STAND, "alpha", "beta") == Onward("beta", attempt=2, round=0, tried=("alpha",), due_at=None)


def test_a_carrier_that_refused_in_this_round_is_not_asked_again() -> None:
    third = replace(STAND, carrier="beta", attempt=2, tried=("alpha",))

    step = next_of(third, "alpha", "beta", "gamma")

    assert step == Onward("gamma", attempt=3, round=0, tried=("alpha", "beta"), due_at=None)


def test_when_all_have_refused_it_waits_and_begins_another_round() -> None:
    last = replace(STAND, carrier="beta", attempt=2, tried=("alpha",))

    step = next_of(last, "alpha", "beta")

    assert isinstance(step, Onward)
    assert (step.carrier, step.attempt, step.round, step.tried) == ("alpha", 3, 1, ())
    seconds = WAITS[MessageClass.TRANSACTIONAL][0]
    assert step.due_at is not None
    assert timedelta(seconds=seconds / 2) <= step.due_at - NOW <= timedelta(seconds=seconds)


def test_each_round_waits_longer_until_there_is_none_left() -> None:
    waits = [next_of(replace(STAND, round=number), "alpha") for number in range(len(WAITS[STAND.message_class]))]

    pauses = [step.due_at - NOW for step in waits if isinstance(step, Onward) and step.due_at]
    assert len(pauses) == len(waits)
    assert pauses == sorted(pauses)
    assert next_of(replace(STAND, round=len(waits)), "alpha") is Code.NO_CARRIER_LEFT


def test_what_was_never_asked_keeps_its_attempt_number() -> None:
    step = next_of(replace(STAND, attempt=3), "alpha", "beta", attempted=False)

    assert step == Onward("beta", attempt=3, round=0, tried=("alpha",), due_at=None)


def test_a_carrier_that_was_away_is_not_asked_again_in_this_round() -> None:
    step = next_of(replace(STAND, carrier="beta", tried=("alpha",)), "alpha", "beta", attempted=False)

    assert isinstance(step, Onward)
    assert (step.carrier, step.attempt, step.round, step.tried) == ("alpha", 1, 1, ())
    assert step.due_at is not None


def test_without_any_route_it_waits_for_its_own_carrier() -> None:
    step = next_of(STAND, attempted=False)

    assert isinstance(step, Onward)
    assert (step.carrier, step.attempt, step.round) == ("alpha", 1, 1)
    assert step.due_at is not None


def test_without_any_route_for_all_rounds_it_fails() -> None:
    tired = replace(STAND, round=len(WAITS[STAND.message_class]))

    assert next_of(tired, attempted=False) is Code.NO_CARRIER_LEFT


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        pytest.param(timedelta(0), Code.EXPIRED, id="this very moment"),
        pytest.param(timedelta(seconds=-1), Code.EXPIRED, id="a second ago"),
        pytest.param(timedelta(seconds=1), "beta", id="a second to go"),
    ],
)
def test_after_its_time_it_goes_nowhere(left: timedelta, expected: object) -> None:
    step = next_of(replace(STAND, valid_until=NOW + left), "alpha", "beta")

    assert (step.carrier if isinstance(step, Onward) else step) == expected


def test_it_does_not_wait_past_its_time() -> None:
    seconds = WAITS[STAND.message_class][0]

    assert next_of(replace(STAND, valid_until=NOW + timedelta(seconds=seconds / 2 - 1)), "alpha") is Code.EXPIRED
    assert isinstance(next_of(replace(STAND, valid_until=NOW + timedelta(seconds=seconds + 1)), "alpha"), Onward)


def test_messages_with_one_way_travel_together_in_their_order() -> None:
    def chain(ask: Ask) -> list[str]:
        return ["alpha", "beta"] if ask.phone.startswith("+234") else ["alpha", "gamma"]

    leftovers = [leftover(place, phone="+2348012345678" if place % 2 else "+447911123456") for place in range(6)]

    found = plan(STAND, leftovers, chain, NOW)

    assert {step.carrier: members for step, members in found.onward.items()} == {
        "beta": [leftovers[place].id for place in (1, 3, 5)],
        "gamma": [leftovers[place].id for place in (0, 2, 4)],
    }


def test_a_batch_waits_as_one() -> None:
    found = plan(STAND, [leftover(place) for place in range(50)], through("alpha"), NOW)

    assert len(found.onward) == 1


def test_the_asked_and_the_unasked_of_one_batch_part() -> None:
    found = plan(STAND, [leftover(0), leftover(1, attempted=False)], through("alpha", "beta"), NOW)

    assert found == Plan(
        onward={
            Onward("beta", 2, 0, ("alpha",), None): [leftover(0).id],
            Onward("beta", 1, 0, ("alpha",), None): [leftover(1).id],
        },
        failed={},
    )


def test_nothing_left_over_makes_no_plan() -> None:
    assert plan(STAND, [], through("beta"), NOW) == Plan({}, {})


names = st.sampled_from("abcde")


@given(
    carriers=st.lists(names, unique=True),
    stand=st.builds(
        Stand,
        message_class=st.sampled_from(MessageClass),
        carrier=names,
        attempt=st.integers(1, 20),
        round=st.integers(0, 8),
        tried=st.lists(names, unique=True).map(tuple),
        valid_until=st.integers(-10, 20_000).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    ),
    attempted=st.lists(st.booleans(), max_size=5),
)
def test_no_message_is_lost_sent_back_or_sent_late(carriers: list[str], stand: Stand, attempted: list[bool]) -> None:
    leftovers = [leftover(place, attempted=asked) for place, asked in enumerate(attempted)]

    found = plan(stand, leftovers, through(*carriers), NOW)

    placed: list[UUID] = [id_ for members in (*found.onward.values(), *found.failed.values()) for id_ in members]
    assert sorted(placed) == [each.id for each in leftovers]
    for step, members in found.onward.items():
        asked = attempted[members[0].int - FIRST.int]
        assert stand.valid_until > (step.due_at or NOW)
        assert step.due_at is not None or step.carrier not in {*stand.tried, stand.carrier}
        assert step.attempt == stand.attempt + asked
        assert step.round == stand.round + (step.due_at is not None)


def test_a_plan_is_the_same_whenever_it_is_made() -> None:
    leftovers = [leftover(place, phone=f"+23480123456{place:02d}") for place in range(20)]

    def chain(ask: Ask) -> list[str]:
        return ["beta", "gamma"] if int(ask.phone[-1]) < 5 else ["gamma", "beta"]

    assert plan(STAND, leftovers, chain, NOW) == plan(STAND, leftovers, chain, NOW)
