"""Parses and formats dates as Webex Interact does: ISO 8601, UTC where no zone is given."""

import re
from datetime import UTC, datetime

from pipeline.rules.identity import ksuids

_WRITTEN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?"
)
#: the first second of a KSUID: stands for a missing time
NEVER = datetime.fromtimestamp(ksuids.EPOCH, UTC)
#: error message for a date that cannot be parsed
FORM = "invalid date format, use ISO 8601 (yyyy-mm-dd'T'hh:mm:ss)"


def read(text: str) -> datetime | None:
    """Return the time in an ISO 8601 text, or None if it is invalid."""
    if not _WRITTEN.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write(moment: datetime) -> str:
    """Return a time in UTC, to the second: `2027-01-18T02:20:20Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
