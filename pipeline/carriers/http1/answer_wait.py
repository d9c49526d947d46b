"""How long a carrier's answer asks to wait."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pipeline.rules.routing.retry_after import seconds

#: seconds where nothing is said that can be read
UNSAID = 1.0
#: seconds above which a wait is taken for a mistake, and so for none
MOST = 1e6


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds that Retry-After says, or those until its date by the clock of who says it."""
    said = headers.get("retry-after", "")
    found = seconds(said, headers.get("date", ""), datetime.now(UTC))
    if found is None or found >= MOST:
        return UNSAID
    return found if said.strip()[:1].isdigit() and ":" not in said else max(found, UNSAID)
