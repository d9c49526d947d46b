"""Dates as Webex Interact reads and writes them: ISO 8601, UTC where no zone is given."""

import re
from datetime import UTC, datetime

from pipeline.rules.identity import ksuids

_WRITTEN = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?"
)
#: the first second a KSUID can hold: of what has no moment
NEVER = datetime.fromtimestamp(ksuids.EPOCH, UTC)
#: what we say to one that cannot be read
FORM = "invalid date format, use ISO 8601 (yyyy-mm-dd'T'hh:mm:ss)"


def read(text: str) -> datetime | None:
    """Return the moment a text names, or None where it names none."""
    if not _WRITTEN.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.upper())
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def write(moment: datetime) -> str:
    """Return a moment to the second, in UTC."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
