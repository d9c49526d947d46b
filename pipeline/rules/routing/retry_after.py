"""How long an HTTP answer asks to wait (RFC 9110, 10.2.3)."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def seconds(said: str, date: str, now: datetime) -> float | None:
    """Return the seconds that `Retry-After` says, or those from `Date` (else `now`) to its date; None: neither."""
    said = said.strip()
    if _SECONDS.fullmatch(said):
        return float(said)
    until = moment(said)
    return (until - (moment(date) or now)).total_seconds() if until else None


def moment(said: str) -> datetime | None:
    """Return the moment of an HTTP date, or None: it is none."""
    try:
        found = parsedate_to_datetime(said)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
