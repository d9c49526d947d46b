"""Lanes: a receiver's window shrinks while it fails, and nobody else's does."""

from uuid import UUID

import pytest

from workers.webhooks.lanes import LONGEST_REST, Lanes

ONE, OTHER = UUID(int=1), UUID(int=2)


def fail(lanes: Lanes, times: int) -> float:
    """Let calls fail one after the other, a second each; return the time then."""
    for second in range(times):
        lanes.judge(ONE, False, began=second, now=second + 0.5)
    return times - 0.5


def test_a_lane_that_is_not_named_has_its_whole_window() -> None:
    assert Lanes(8).rooms(0) == {}


def test_open_calls_take_room_in_their_own_lane_until_they_end() -> None:
    lanes = Lanes(8)
    lanes.begin(ONE)
    lanes.begin(ONE)
    lanes.begin(OTHER)

    assert (lanes.total, lanes.rooms(0)) == (3, {ONE: 6, OTHER: 7})
    lanes.end(OTHER)
    assert lanes.rooms(0) == {ONE: 6}


@pytest.mark.parametrize(("failures", "room"), [(1, 4), (2, 2)])
def test_a_failing_lane_gets_less(failures: int, room: int) -> None:
    lanes = Lanes(8)
    now = fail(lanes, failures)

    assert lanes.rooms(now) == {ONE: room}


@pytest.mark.parametrize(("failures", "rest"), [(3, 1), (4, 2), (5, 4), (40, LONGEST_REST)])
def test_a_lane_that_goes_on_failing_rests_ever_longer_between_two_calls(failures: int, rest: float) -> None:
    lanes = Lanes(8)
    now = fail(lanes, failures)

    assert lanes.rooms(now + rest - 0.1) == {ONE: 0}
    assert lanes.rooms(now + rest) == {ONE: 1}


def test_one_answer_makes_it_well() -> None:
    lanes = Lanes(8)
    now = fail(lanes, 9)
    lanes.judge(ONE, True, now, now)

    assert lanes.rooms(now) == {}


def test_calls_that_were_open_together_fail_as_one() -> None:
    lanes = Lanes(8)
    for _ in range(8):
        lanes.judge(ONE, False, began=0.0, now=15.0)

    assert lanes.rooms(15) == {ONE: 4}


def test_a_window_of_one_stays_one() -> None:
    lanes = Lanes(1)
    now = fail(lanes, 1)

    assert lanes.rooms(now) == {ONE: 1}
