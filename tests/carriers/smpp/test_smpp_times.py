"""Times in SMPP and in receipts."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.carriers.smpp.smpp_times import Validity, moment, validity, zoned

NOW = datetime(2026, 11, 22, 4, 31, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("form", "left", "written"),
    [
        (Validity.RELATIVE, timedelta(hours=1), b"000000010000000R\0"),
        (Validity.RELATIVE, timedelta(days=2, hours=3, minutes=4, seconds=5), b"000002030405000R\0"),
        (Validity.RELATIVE, timedelta(seconds=-9), b"000000000001000R\0"),
        (Validity.RELATIVE, timedelta(days=40), b"270101043105000+\0"),
        (Validity.ABSOLUTE, timedelta(hours=1), b"261122053105000+\0"),
        (Validity.NONE, timedelta(hours=1), b"\0"),
    ],
)
def test_validity_period_is_written_in_the_form_that_is_set(form: Validity, left: timedelta, written: bytes) -> None:
    assert validity(form, NOW + left, NOW) == written


def test_a_message_without_valid_until_has_no_validity_period() -> None:
    assert validity(Validity.RELATIVE, None, NOW) == b"\0"


def test_an_absolute_validity_period_is_written_in_utc() -> None:
    until = datetime(2026, 11, 22, 7, 0, tzinfo=timezone(timedelta(hours=2)))

    assert validity(Validity.ABSOLUTE, until, NOW) == b"261122050000000+\0"


@pytest.mark.parametrize(
    ("text", "reported"),
    [
        ("2611220431", datetime(2026, 11, 22, 4, 31, tzinfo=UTC)),
        ("261122043105", datetime(2026, 11, 22, 4, 31, 5, tzinfo=UTC)),
        ("20261122043105", datetime(2026, 11, 22, 4, 31, 5, tzinfo=UTC)),
        ("202611220431", datetime(2026, 11, 22, 4, 31, tzinfo=UTC)),
        ("261122063105008+", datetime(2026, 11, 22, 4, 31, 5, tzinfo=UTC)),
        ("261122023105008-", datetime(2026, 11, 22, 4, 31, 5, tzinfo=UTC)),
        ("2011220431", datetime(2020, 11, 22, 4, 31, tzinfo=UTC)),
        ("0000000000", None),
        ("000000000000", None),
        ("2613220431", None),
        ("26112204310", None),
        ("", None),
        ("yesterday", None),
    ],
)
def test_dates_of_receipts_are_read_in_the_formats_that_smscs_use(text: str, reported: datetime | None) -> None:
    assert moment(text) == reported


def test_a_receipt_date_is_converted_to_utc_by_its_own_offset_or_else_the_carrier_s() -> None:
    assert moment("2611220631", timedelta(hours=2)) == datetime(2026, 11, 22, 4, 31, tzinfo=UTC)
    # one that says itself how far it is ahead is believed
    assert moment("261122063100008+", timedelta(hours=5)) == datetime(2026, 11, 22, 4, 31, tzinfo=UTC)


@given(st.text(st.sampled_from("0123456789+-R"), max_size=17))
def test_any_date_text_is_read_or_becomes_none(text: str) -> None:
    assert moment(text, timedelta(hours=14)) is None or text[:10].isdigit()


@pytest.mark.parametrize("text", ["", "0001-01-01T00:00:00+23:00", "2026-11-22T04:31:00", "2026-13-01T00:00:00Z"])
def test_a_time_that_is_invalid_or_has_no_utc_offset_becomes_none(text: str) -> None:
    assert zoned(text) is None
