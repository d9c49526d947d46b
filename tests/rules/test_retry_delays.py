"""Backoff between rounds and between tries of a webhook."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.routing.retry_delays import WAITS, again, wait
from schema.message_class import MessageClass

each_class = pytest.mark.parametrize("message_class", MessageClass)


def test_every_message_class_has_retry_delays() -> None:
    assert set(WAITS) == set(MessageClass)


@each_class
def test_retry_delays_grow_from_round_to_round(message_class: MessageClass) -> None:
    table = WAITS[message_class]

    assert list(table) == sorted(set(table))


@each_class
def test_there_is_no_retry_delay_after_the_last_round(message_class: MessageClass) -> None:
    last = len(WAITS[message_class]) - 1

    assert wait(message_class, last, 0.5) is not None
    assert wait(message_class, last + 1, 0.5) is None
    assert wait(message_class, last + 100, 0.5) is None


@given(st.sampled_from(MessageClass), st.integers(0, 10), st.floats(0, 1))
def test_a_retry_delay_is_between_half_and_all_of_its_table_value(
    message_class: MessageClass, rounds: int, lot: float
) -> None:
    seconds = dict(enumerate(WAITS[message_class])).get(rounds)

    pause = wait(message_class, rounds, lot)

    if seconds is None:
        assert pause is None
    else:
        assert pause is not None
        assert timedelta(seconds=seconds / 2) <= pause <= timedelta(seconds=seconds)


def test_retry_delays_are_spread_by_jitter() -> None:
    pauses = {wait(MessageClass.BULK, 0, place / 10) for place in range(10)}

    assert len(pauses) == 10


def test_otp_messages_have_the_shortest_first_retry_delay() -> None:
    firsts = [WAITS[each][0] for each in (MessageClass.OTP, MessageClass.TRANSACTIONAL, MessageClass.BULK)]

    assert firsts == sorted(firsts)


@pytest.mark.parametrize(
    ("tries", "draw", "seconds"), [(1, 0.0, 5), (1, 1.0, 6), (2, 0.5, 66), (3, 0.0, None), (9, 0.0, None)]
)
def test_a_webhook_retry_delay_is_its_schedule_plus_jitter(tries: int, draw: float, seconds: float | None) -> None:
    assert again((5, 60), tries, draw) == (None if seconds is None else pytest.approx(seconds))
