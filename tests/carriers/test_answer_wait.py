"""Retry-After in carriers' responses, in any format."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.carriers.http1 import retry_after

NOON = {"date": "Fri, 31 Dec 2027 12:00:00 GMT"}


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7),
        ("0", 0),
        ("0.25", 0.25),
        ("Fri, 31 Dec 2027 12:00:30 GMT", 30),
        ("Friday, 31-Dec-27 12:00:30 GMT", 30),
        ("Fri Dec 31 12:00:30 2027", 30),
        ("Fri, 31 Dec 2027 13:00:30 +0100", 30),
        # what is over
        ("Fri, 31 Dec 2027 11:59:00 GMT", 1),
        ("", 1),
        ("soon", 1),
        ("-5", 1),
        ("1e9", 1),
        ("9" * 30, 1),
        ("Fri, 99999999999999999999 Dec 2027 12:00:30 GMT", 1),
    ],
)
def test_seconds_and_dates_are_understood_and_what_is_neither_is_one_second(said: str, seconds: float) -> None:
    assert retry_after({"retry-after": said, **NOON}) == seconds


def test_who_says_nothing_asks_for_a_second() -> None:
    assert retry_after({}) == 1


def test_where_there_is_no_other_clock_ours_counts() -> None:
    then = datetime.now(UTC) + timedelta(hours=1)

    assert 3000 < retry_after({"retry-after": format_datetime(then, usegmt=True)}) <= 3600


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_is_said_it_is_a_time_to_wait(said: str, date: str) -> None:
    assert retry_after({"retry-after": said, "date": date}) >= 0
