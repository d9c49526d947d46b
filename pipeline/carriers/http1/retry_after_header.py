"""Reads Retry-After from a carrier's response."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.rules.routing.retry_after import seconds

#: default seconds, where the header is missing or malformed
DEFAULT = 1.0
#: seconds from which a value is ignored as an error
MOST = 1e6


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds of Retry-After; of a date, counted from the response's own Date header."""
    said = headers.get("retry-after", "")
    found = seconds(said, headers.get("date", ""), datetime.now(UTC))
    if found is None or found >= MOST:
        return DEFAULT
    return found if said.strip()[:1].isdigit() and ":" not in said else max(found, DEFAULT)
