"""Repetition of campaigns: the days of an RFC 5545 recurrence rule, at one time of day by the clock of a zone.

A time that the clocks skip when daylight saving begins is that of the offset before; of one that occurs twice when it
ends it is the first (RFC 5545, 3.3.5).
"""

import re
from calendar import monthrange
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

from schema.campaign import Campaign
from schema.message import Refusal
from schema.vocabulary import Code

#: why the clock has ended a series
ROWS_GONE = "its recipients are not kept any more"

#: how far ahead the next time is searched
_HORIZON = timedelta(days=800)

_FREQUENCIES = "DAILY|WEEKLY|MONTHLY|YEARLY"
_DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_DAY = f"(?:{'|'.join(_DAYS)})"
#: of a weekday in its month: 1MO, -1FR
_PLACE = "(?:[+-]?[1-5])?"
#: what a rule may have; BYHOUR and the like would make several times a day
_PARTS = {
    "FREQ": _FREQUENCIES,
    "INTERVAL": r"[1-9]\d{0,2}",
    "COUNT": r"[1-9]\d{0,3}",
    "UNTIL": r"\d{8}(?:T\d{6}Z?)?",
    "BYDAY": rf"{_PLACE}{_DAY}(?:,{_PLACE}{_DAY})*",
    "BYMONTHDAY": r"-?[1-9]\d?(?:,-?[1-9]\d?)*",
    "BYMONTH": r"[1-9]\d?(?:,[1-9]\d?)*",
    "BYSETPOS": r"-?[1-4]",
    "WKST": _DAY,
}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time of a rule."""

    #: by the clock of the zone
    day: date
    at: datetime


@dataclass(frozen=True, slots=True)
class Repetition:
    """A valid rule, its zone, and its first time (DTSTART)."""

    rule: str
    zone: ZoneInfo
    first: datetime

    def after(self, day: date, today: date | None = None) -> Iterator[Occurrence]:
        """Yield the occurrences after a day, up to two years from it or from `today`."""
        parts = _read(self.rule)
        count = int(parts.pop("COUNT")) if "COUNT" in parts else None
        start = self._local(self.first)
        last = datetime.combine(max(day, start.date(), today or day) + _HORIZON, time.max)
        if "UNTIL" in parts:
            last = min(last, _until(parts["UNTIL"], self.zone))
        parts["UNTIL"] = f"{last:%Y%m%dT%H%M%S}"
        found = rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=start)
        for local in islice(found, count):
            if local.date() > day:
                yield Occurrence(local.date(), local.replace(tzinfo=self.zone).astimezone(UTC))

    def next_due(self, day: date, late: timedelta, now: datetime) -> Occurrence | None:
        """Return the first occurrence after a day that is not missed; None: there is none.

        Missed are those that were `late` ago or longer, and those whose next one has come.
        """
        found = self.after(day, self._local(now).date())
        before = next(found, None)
        for each in found:
            if before is None or (each.at > now and before.at + late > now):
                break
            before = each
        return before if before and before.at + late > now else None

    def shifted(self, moment: datetime, to: Occurrence) -> datetime:
        """Return a time that belongs to the first occurrence as that of another one, by the clock of the zone."""
        distance = self._local(moment) - self._local(self.first)
        local = self._local(to.at) + distance
        return local.replace(tzinfo=self.zone).astimezone(UTC)

    def _local(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None, microsecond=0, fold=0)


def repetition_of(first: Campaign) -> Repetition:
    """Return the repetition of a series; `first`: its first campaign."""
    assert first.repeat
    assert first.time_zone
    assert first.send_at
    return Repetition(first.repeat, ZoneInfo(first.time_zone), first.send_at)


def fault_of(rule: str, zone: str, first: datetime, longest: timedelta) -> Refusal | None:
    """Return what is wrong with a rule that begins at a time; None: it is valid.

    `longest`: how far its occurrences may be apart.
    """
    words = _syntax_fault(rule, ZoneInfo(zone))
    if words is not None:
        return Refusal(Code.INVALID_FIELD, words, "repeat")
    repetition = Repetition(rule, ZoneInfo(zone), first)
    begins = first.astimezone(repetition.zone)
    # first by itself: of a rule that names no day dateutil would search for one until the year 9999
    found = list(repetition.after(begins.date() - timedelta(days=1))) if _names(rule, begins) else []
    if not found or found[0].day != begins.date():
        words = f"is {begins:%A, %Y-%m-%d}, in {zone}, which is no day of `repeat`"
        return Refusal(Code.INVALID_FIELD, words, "send_at")
    if len(found) < 2:
        return Refusal(Code.INVALID_FIELD, f"names no time after send_at within {_HORIZON.days} days", "repeat")
    if _longest_gap(repetition, [each.at for each in found]) > longest:
        words = f"its times are more than {longest.days} days apart: recipients are kept no longer"
        return Refusal(Code.INVALID_FIELD, f"{words} (POSTROAD_CAMPAIGN_ROWS_DAYS)", "repeat")
    return None


def _longest_gap(repetition: Repetition, times: Sequence[datetime]) -> timedelta:
    """Return the longest distance between occurrences; `times`: those within two years, from the first.

    If the rule goes on after them, the next one is taken to follow at the end of these years.
    """
    parts, end = _read(repetition.rule), times[0] + _HORIZON
    is_counted = len(times) == int(parts.get("COUNT", 0))
    has_until = "UNTIL" in parts and _until(parts["UNTIL"], repetition.zone) < end.replace(tzinfo=None)
    known = times if is_counted or has_until else [*times, end]
    return max(after - before for before, after in pairwise(known))


def _syntax_fault(rule: str, zone: ZoneInfo) -> str | None:
    try:
        parts = _read(rule)
        if "UNTIL" in parts:
            _until(parts["UNTIL"], zone)
        rrulestr(";".join(f"{name}={value}" for name, value in parts.items() if name != "UNTIL"), dtstart=_ANY)
    except (ValueError, OverflowError) as error:
        return f"{error}; it is a recurrence rule of RFC 5545, such as FREQ=WEEKLY;BYDAY=MO;COUNT=10"
    return None


#: a DTSTART, to parse a rule that is not evaluated
_ANY = datetime(2026, 1, 1)  # noqa: DTZ001


def _read(rule: str) -> dict[str, str]:
    """Return the parts of a rule by name; ValueError says what is wrong."""
    parts: dict[str, str] = {}
    for part in rule.upper().removeprefix("RRULE:").split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS:
            raise ValueError(f"has {name or 'an empty part'!r}: possible are {', '.join(_PARTS)}")
        if name in parts:
            raise ValueError(f"has {name} twice")
        if not re.fullmatch(_PARTS[name], value, re.ASCII):
            raise ValueError(f"cannot have {part[:60]}" + f": FREQ is {_FREQUENCIES}" * (name == "FREQ"))
        parts[name] = value
    if "FREQ" not in parts:
        raise ValueError("has no FREQ")
    _require_fitting(parts)
    return parts


def _require_fitting(parts: dict[str, str]) -> None:
    """Raise ValueError if parts of a rule cannot go together."""
    if "COUNT" in parts and "UNTIL" in parts:
        raise ValueError("cannot have both COUNT and UNTIL")
    has_places = bool(re.search(r"\d", parts.get("BYDAY", "")))
    if has_places and parts["FREQ"] != "MONTHLY":
        raise ValueError("has numbers in BYDAY, which is possible with FREQ=MONTHLY only")
    is_by_weekday = "BYDAY" in parts and "BYMONTHDAY" not in parts and not has_places
    if "BYSETPOS" in parts and not (parts["FREQ"] == "MONTHLY" and is_by_weekday):
        raise ValueError("has BYSETPOS, which goes with FREQ=MONTHLY and days of the week, such as BYDAY=MO,TU,WE")


def _names(rule: str, day: date) -> bool:
    """Tell whether a day is one of a rule's, but for BYSETPOS."""
    parts = _read(rule)
    last = monthrange(day.year, day.month)[1]
    weekday = _DAYS[day.weekday()]
    place = (day.day + 6) // 7
    places = ("", str(place), f"+{place}", f"-{(last - day.day) // 7 + 1}")
    possible = {
        "BYMONTH": {str(day.month)},
        "BYMONTHDAY": {str(day.day), str(day.day - last - 1)},
        "BYDAY": {place + weekday for place in places},
    }
    return all(values & set(parts[name].split(",")) for name, values in possible.items() if name in parts)


def _until(written: str, zone: ZoneInfo) -> datetime:
    """Return the local time up to which a rule goes: of a date its end."""
    if len(written) == 8:
        return datetime.combine(date.fromisoformat(written), time(23, 59, 59))
    moment = datetime.fromisoformat(written)
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment
