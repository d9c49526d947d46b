"""The rows of a campaign that are not sent, with the reasons."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import campaign_rows

#: columns of the file of errors
COLUMNS = ("line", "verdict", "fault", "phone", "correlation_id")
#: rows that are read at once
_PAGE = 5000


def unsent_rows(rt: Runtime, campaign: UUID) -> Iterator[dict[str, Any]]:
    """Yield line, phone, verdict, fault and correlation id of each row that has a verdict, in order."""
    after = 0
    while True:
        page = unsent_page(rt, campaign, after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]["line"]


def unsent_page(rt: Runtime, campaign: UUID, after: int, most: int) -> list[dict[str, Any]]:
    """Return up to `most` rows after a line, as `unsent_rows` yields them."""
    with rt.read_only() as conn:
        return campaign_rows.refused(conn, campaign, after, most)
