"""Quiet hours: whether a number's local time is within them, and when they end."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.consent.quiet_hours import QuietHours, QuietRule, QuietVerdict
from pipeline.rules.numbers.time_zones import zones_of
from schema.message_class import MessageClass
from schema.vocabulary import Code, QuietAction

LAGOS, NEW_YORK, SOMEWHERE = ("+2348031234567", "NG"), ("+12125550123", "US"), ("+15551234567", "US")
BULK = MessageClass.BULK


def rule(begins: str = "21:00", ends: str = "08:00", country: str = "*", **fields: object) -> QuietRule:
    fields = {"message_class": BULK, "action": QuietAction.DEFER} | fields
    minutes = [int(clock[:2]) * 60 + int(clock[3:]) for clock in (begins, ends)]
    return QuietRule(country, from_minute=minutes[0], until_minute=minutes[1], **fields)  # type: ignore[arg-type]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


ENDS = {
    "over midnight, before it": ("2026-11-21T22:00", LAGOS, rule(), "2026-11-22T07:00"),
    "over midnight, after it": ("2026-11-22T03:00", LAGOS, rule(), "2026-11-22T07:00"),
    "on one day": ("2026-11-21T12:30", LAGOS, rule("13:00", "15:00"), "2026-11-21T14:00"),
    "its first minute": ("2026-11-21T20:00", LAGOS, rule(), "2026-11-22T07:00"),
    "its last": ("2026-11-22T06:59:59", LAGOS, rule(), "2026-11-22T07:00"),
    "the minute it ends": ("2026-11-22T07:00", LAGOS, rule(), None),
    "by day": ("2026-11-21T12:00", LAGOS, rule(), None),
    "summer time": ("2026-07-01T04:00", NEW_YORK, rule(), "2026-07-01T12:00"),
    "winter time": ("2026-01-15T04:00", NEW_YORK, rule(), "2026-01-15T13:00"),
    "the night the clocks go forward": ("2026-03-08T06:00", NEW_YORK, rule("21:00", "02:30"), "2026-03-08T07:30"),
    "the hour that comes twice, first time": (
        "2026-11-01T05:10", NEW_YORK, rule("00:00", "01:30"), "2026-11-01T05:30",
    ),
    "the hour that comes twice, second time": (
        "2026-11-01T06:10", NEW_YORK, rule("00:00", "01:30"), "2026-11-01T06:30",
    ),
    "day in one of its zones, night in another": ("2026-07-01T14:00", SOMEWHERE, rule(), "2026-07-01T18:00"),
    "of another country": ("2026-11-22T03:00", LAGOS, rule(country="GH"), None),
    "of another class": ("2026-11-22T03:00", LAGOS, rule(message_class=MessageClass.OTP), None),
    "no length": ("2026-11-22T03:00", LAGOS, rule("03:00", "03:00"), None),
}  # fmt: skip


@pytest.mark.parametrize(("now", "who", "line", "end"), ENDS.values(), ids=ENDS)
def test_a_message_in_quiet_hours_is_deferred_to_their_end_in_local_time(
    now: str, who: tuple[str, str], line: QuietRule, end: str | None
) -> None:
    hush = QuietHours([line], at(now))(*who, BULK)

    assert hush == (QuietVerdict(QuietAction.DEFER, at(end)) if end else None)


def test_quiet_hours_of_a_country_precede_the_star_and_those_of_the_account_precede_common_ones() -> None:
    common, own = rule(country="NG"), rule("00:00", "00:00", country="NG", is_own=True)
    everywhere = rule(country="*", is_own=True, action=QuietAction.REJECT)
    night = at("2026-11-22T03:00")

    assert QuietHours([own, common, everywhere], night)(*LAGOS, BULK) is None
    assert QuietHours([everywhere, common], night)(*LAGOS, BULK) == QuietVerdict(
        QuietAction.DEFER, at("2026-11-22T07:00")
    )


def test_a_message_is_refused_if_the_quiet_hours_of_its_number_s_zones_never_end_together() -> None:
    hush = QuietHours([rule("08:01", "08:00")], at("2026-07-01T14:00"))(*SOMEWHERE, BULK)

    assert hush == QuietVerdict(QuietAction.DEFER, None)
    assert hush.verdict(None) is Code.QUIET_HOURS


@pytest.mark.parametrize(
    ("hush", "valid_until", "verdict"),
    [
        (QuietVerdict(QuietAction.DEFER, at("2026-11-22T07:00")), None, at("2026-11-22T07:00")),
        (QuietVerdict(QuietAction.DEFER, at("2026-11-22T07:00")), at("2026-11-22T07:01"), at("2026-11-22T07:00")),
        (QuietVerdict(QuietAction.DEFER, at("2026-11-22T07:00")), at("2026-11-22T07:00"), Code.QUIET_HOURS),
        (QuietVerdict(QuietAction.REJECT, at("2026-11-22T07:00")), None, Code.QUIET_HOURS),
    ],
)
def test_a_message_whose_validity_ends_before_quiet_hours_do_is_refused(
    hush: QuietVerdict, valid_until: datetime | None, verdict: datetime | Code
) -> None:
    assert hush.verdict(valid_until) == verdict


@given(
    st.integers(0, 366 * 1440 * 60).map(lambda second: at("2026-01-01T00:00") + timedelta(seconds=second)),
    st.sampled_from([LAGOS, NEW_YORK, ("+61412345678", "AU"), ("+5592987654321", "BR"), ("+447400123456", "GB")]),
    st.integers(0, 1439),
    st.integers(0, 1439),
)
def test_quiet_hours_end_exactly_at_the_computed_time(
    now: datetime, who: tuple[str, str], begins: int, ends: int
) -> None:
    line = QuietRule("*", BULK, begins, ends, QuietAction.DEFER)
    hush = QuietHours([line], now)(*who, BULK)

    if hush is None or hush.until is None:
        return
    assert now < hush.until <= now + timedelta(hours=25) * len(zones_of(*who))
    assert QuietHours([line], hush.until)(*who, BULK) is None
    assert QuietHours([line], hush.until - timedelta(seconds=1))(*who, BULK) is not None
