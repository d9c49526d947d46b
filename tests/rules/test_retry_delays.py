"""Backoff between rounds and between tries of a webhook."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.routing.retry_delays import WAITS, again, wait
from schema.message_class import MessageClass

each_class = pytest.mark.parametrize("message_class", MessageClass)


def test_every_class_has_its_waits() -> None:
    assert set(WAITS) == set(MessageClass)


@each_class
def test_waits_grow_from_round_to_round(message_class: MessageClass) -> None:
    table = WAITS[message_class]

    assert list(table) == sorted(set(table))


@each_class
def test_after_the_last_wait_it_is_given_up(message_class: MessageClass) -> None:
    last = len(WAITS[message_class]) - 1

    assert wait(message_class, last, 0.5) is not None
    assert wait(message_class, last + 1, 0.5) is None
    assert wait(message_class, last + 100, 0.5) is None


@given(st.sampled_from(MessageClass), st.integers(0, 10), st.floats(0, 1))
def test_a_wait_is_between_half_and_all_of_the_tables(message_class: MessageClass, rounds: int, lot: float) -> None:
    seconds = dict(enumerate(WAITS[message_class])).get(rounds)

    pause = wait(message_class, rounds, lot)

    if seconds is None:
        assert pause is None
    else:
        assert pause is not None
        assert timedelta(seconds=seconds / 2) <= pause <= timedelta(seconds=seconds)


def test_a_crowd_does_not_return_at_once() -> None:
    pauses = {wait(MessageClass.BULK, 0, place / 10) for place in range(10)}

    assert len(pauses) == 10


def test_a_code_somebody_waits_for_is_tried_again_soonest() -> None:
    firsts = [WAITS[each][0] for each in (MessageClass.OTP, MessageClass.TRANSACTIONAL, MessageClass.BULK)]

    assert firsts == sorted(firsts)


@pytest.mark.parametrize(
    ("tries", "draw", "seconds"), [(1, 0.0, 5), (1, 1.0, 6), (2, 0.5, 66), (3, 0.0, None), (9, 0.0, None)]
)
def test_a_webhook_waits_by_its_schedule_and_a_little_more(tries: int, draw: float, seconds: float | None) -> None:
    assert again((5, 60), tries, draw) == (None if seconds is None else pytest.approx(seconds))
