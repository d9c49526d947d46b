"""Parses `Retry-After` (RFC 9110, 10.2.3): seconds or an HTTP date."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def seconds(said: str, date: str, now: datetime) -> float | None:
    """Return the seconds of a `Retry-After`, counted from `Date` (else `now`) where it is a date; None: malformed."""
    said = said.strip()
    if _SECONDS.fullmatch(said):
        return float(said)
    until = moment(said)
    return (until - (moment(date) or now)).total_seconds() if until else None


def moment(said: str) -> datetime | None:
    """Return the time of an HTTP date, or None: malformed."""
    try:
        found = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
