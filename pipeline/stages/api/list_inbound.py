"""Inbound messages (MO) of an account for its API: pages of them, the latest first."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.rules.api.list_cursors import ListPlace, read_cursor, write_cursor
from pipeline.runtime import Runtime
from pipeline.store.api import list_inbound as store
from schema.api_views import ShownInbound

__all__ = ["InboundPage", "ShownInbound", "list_inbound"]


@dataclass(frozen=True, slots=True)
class InboundPage:
    """A page of inbound messages, and the cursor of the next page."""

    messages: list[ShownInbound]
    #: opaque to the caller; None: this is the last page
    cursor: str | None


def list_inbound(
    rt: Runtime, account: int, cursor: str | None, limit: int, *, since: datetime | None, until: datetime | None
) -> InboundPage:
    """Return a page of at most `limit` messages that arrived since then and before `until`; ValueError: bad cursor."""
    before = read_cursor(cursor) if cursor is not None else None
    with rt.read_only() as conn:
        found = store.page(conn, account, before, since=since, until=until, limit=limit + 1)
    shown = found[:limit]
    is_last = len(found) <= limit
    return InboundPage(shown, None if is_last else write_cursor(ListPlace(shown[-1].received_at, shown[-1].id)))
