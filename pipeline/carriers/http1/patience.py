"""How long an answer asks to wait (RFC 9110, 10.2.3)."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

#: seconds where nothing is said that can be read
UNSAID = 1.0
_SECONDS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,3})?")


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that Retry-After says, or those until its date by the clock of who says it."""
    said = headers.get("retry-after", "")
    if _SECONDS.fullmatch(said):
        return float(said)
    until, now = _moment(said), _moment(headers.get("date", "")) or datetime.now(UTC)
    return max((until - now).total_seconds(), UNSAID) if until else UNSAID


def _moment(said: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(said)
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
