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
def test_retry_after_is_read_as_seconds_or_a_date_and_an_invalid_value_means_one_second(
    said: str, seconds: float
) -> None:
    assert retry_after({"retry-after": said, **NOON}) == seconds


def test_a_missing_retry_after_means_one_second() -> None:
    assert retry_after({}) == 1


def test_a_retry_after_date_without_a_date_header_is_relative_to_our_clock() -> None:
    then = datetime.now(UTC) + timedelta(hours=1)

    assert 3000 < retry_after({"retry-after": format_datetime(then, usegmt=True)}) <= 3600


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_retry_after_is_a_delay_of_zero_or_more_seconds(said: str, date: str) -> None:
    assert retry_after({"retry-after": said, "date": date}) >= 0
