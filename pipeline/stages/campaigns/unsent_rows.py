"""The rows of a campaign that are not sent, with the reasons."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import campaign_rows

#: rows that are read at once
_PAGE = 5000


def unsent_rows(rt: Runtime, campaign: UUID) -> Iterator[dict[str, Any]]:
    """Yield line, phone, verdict, fault and correlation id of each row that has a verdict, in order."""
    after = 0
    while True:
        with rt.read_only() as conn:
            page = campaign_rows.refused(conn, campaign, after, _PAGE)
        yield from page
        if len(page) < _PAGE:
            return
        after = page[-1]["line"]
