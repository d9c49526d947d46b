"""Repetition: the times of recurrence rules by local clocks, and what is wrong with a rule."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from pipeline.rules.campaigns.repetition import Occurrence, Repetition, fault_of

NEW_YORK = ZoneInfo("America/New_York")
#: a Monday, 01:30 in New York; the clocks go back on 7 November
MONDAY = datetime(2027, 11, 1, 5, 30, tzinfo=UTC)


def local_times(rule: str, first: datetime, after: date, most: int = 4) -> list[str]:
    found = islice(Repetition(rule, NEW_YORK, first).after(after), most)
    return [f"{each.at.astimezone(NEW_YORK):%m-%d %H:%M%z}" for each in found]


def test_the_time_of_day_stays_when_clocks_go_forward_and_back() -> None:
    """02:30 is skipped on 14 March: by the offset before it is 03:30; 01:30 occurs twice on 7 November: the first."""
    spring = local_times("FREQ=DAILY", datetime(2027, 3, 1, 7, 30, tzinfo=UTC), date(2027, 3, 12), 3)
    autumn = local_times("FREQ=DAILY", MONDAY, date(2027, 11, 5), 3)

    assert spring == ["03-13 02:30-0500", "03-14 03:30-0400", "03-15 02:30-0400"]
    assert autumn == ["11-06 01:30-0400", "11-07 01:30-0400", "11-08 01:30-0500"]


@pytest.mark.parametrize(
    ("rule", "days"),
    [
        ("FREQ=WEEKLY;BYDAY=MO;COUNT=3", ["11-08", "11-15"]),
        ("freq=weekly;byday=mo,we;until=20271110", ["11-03", "11-08", "11-10"]),
        ("FREQ=DAILY;UNTIL=20271103T053000Z", ["11-02", "11-03"]),
        ("FREQ=DAILY;UNTIL=20271103T012959", ["11-02"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=1;COUNT=3", ["12-01", "01-03"]),
        ("FREQ=MONTHLY;BYDAY=1MO;COUNT=2", ["12-06"]),
        ("FREQ=YEARLY;INTERVAL=3;BYDAY=MO;COUNT=3", ["11-08", "11-15"]),
        ("FREQ=YEARLY;INTERVAL=3;BYDAY=MO;UNTIL=20271120", ["11-08", "11-15"]),
        ("FREQ=MONTHLY;BYMONTHDAY=1,-1;COUNT=3", ["11-30", "12-01"]),
    ],
)
def test_a_rule_names_its_days(rule: str, days: list[str]) -> None:
    assert fault_of(rule, "America/New_York", MONDAY, timedelta(days=90)) is None
    assert [each[:5] for each in local_times(rule, MONDAY, date(2027, 11, 1))] == days


@pytest.mark.parametrize(
    ("rule", "field", "words"),
    [
        ("", "repeat", "an empty part"),
        ("weekly", "repeat", "has 'WEEKLY': possible are FREQ"),
        ("INTERVAL=2", "repeat", "has no FREQ"),
        *((f"FREQ={each}", "repeat", "FREQ is DAILY") for each in ("HOURLY", "MINUTELY", "SECONDLY")),
        ("FREQ=DAILY;BYHOUR=9,10", "repeat", "has 'BYHOUR'"),
        ("FREQ=DAILY;FREQ=DAILY", "repeat", "has FREQ twice"),
        ("FREQ=DAILY;INTERVAL=0", "repeat", "cannot have INTERVAL=0"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20280101", "repeat", "both COUNT and UNTIL"),
        ("FREQ=DAILY;UNTIL=20281301", "repeat", "RFC 5545"),
        ("FREQ=DAILY;UNTIL=00010101T000000Z", "repeat", "RFC 5545"),
        ("FREQ=WEEKLY;BYDAY=1MO", "repeat", "numbers in BYDAY"),
        ("FREQ=DAILY;BYSETPOS=2", "repeat", "has BYSETPOS"),
        ("FREQ=DAILY;COUNT=1", "repeat", "names no time after send_at"),
        ("FREQ=MONTHLY;INTERVAL=4", "repeat", "more than 90 days apart"),
        ("FREQ=DAILY;BYMONTH=11,12,1", "repeat", "more than 90 days apart"),
        ("FREQ=YEARLY;INTERVAL=3;BYDAY=MO", "repeat", "more than 90 days apart"),
        ("FREQ=WEEKLY;BYDAY=TU", "send_at", "is Monday, 2027-11-01, in America/New_York, which is no day"),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", "send_at", "no day of `repeat`"),
        # no day at all: dateutil would search for one until the year 9999
        ("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "send_at", "no day of `repeat`"),
    ],
)
def test_a_rule_that_cannot_be_kept_is_refused(rule: str, field: str, words: str) -> None:
    fault = fault_of(rule, "America/New_York", MONDAY, timedelta(days=90))

    assert fault is not None
    assert fault.field == field
    assert words in fault.message


@pytest.mark.parametrize(
    ("hours", "late", "due"),
    [
        (0, 24, "11-02"),
        (20, 24, "11-02"),  # it is 21:30 of the day before
        (47, 24, "11-02"),  # missed by 23 hours, and the next is to come
        (47, 20, "11-03"),  # missed by more than its messages would be valid
        (49, 48, "11-03"),  # the next one's time has come
        (500, 48, "11-21"),
        (10_000, 48, None),
    ],
)
def test_what_was_missed_is_made_up_for_while_it_is_valid_and_the_next_is_to_come(
    hours: int, late: int, due: str | None
) -> None:
    repetition = Repetition("FREQ=DAILY;UNTIL=20271231", NEW_YORK, MONDAY)

    found = repetition.next_due(date(2027, 11, 1), timedelta(hours=late), MONDAY + timedelta(hours=hours))

    assert (f"{found.day:%m-%d}" if found else None) == due


def test_the_last_time_is_made_up_for_as_others_are() -> None:
    repetition = Repetition("FREQ=DAILY;COUNT=2", NEW_YORK, MONDAY)

    found = [repetition.next_due(date(2027, 11, 1), timedelta(hours=3), MONDAY + timedelta(hours=h)) for h in (26, 28)]

    assert found == [Occurrence(date(2027, 11, 2), MONDAY + timedelta(days=1)), None]


def test_validity_ends_at_the_same_time_of_day() -> None:
    """From 01:30 to 18:00 of the day on which clocks go back: an hour longer."""
    repetition = Repetition("FREQ=DAILY", NEW_YORK, MONDAY)
    [found] = islice(repetition.after(date(2027, 11, 6)), 1)

    until = repetition.shifted(datetime(2027, 11, 1, 22, 0, tzinfo=UTC), found)

    assert f"{until.astimezone(NEW_YORK):%m-%d %H:%M}" == "11-07 18:00"
    assert until - found.at == timedelta(hours=17, minutes=30)
