"""Inbound messages (MO) of an account for its API: pages of them, the latest first."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.api import list_inbound as store
from pipeline.store.api.list_inbound import InboundPlace
from schema.api_views import ShownInbound

__all__ = ["InboundPage", "ShownInbound", "list_inbound"]

#: microseconds of its arrival (56 bits: until the year 4253), and id
_CURSOR = re.compile(r"([0-9a-f]{14})([0-9a-f]{32})")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


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
    before = _read(cursor) if cursor is not None else None
    with rt.read_only() as conn:
        found = store.page(conn, account, before, since=since, until=until, limit=limit + 1)
    shown = found[:limit]
    return InboundPage(shown, _write(shown[-1]) if len(found) > limit else None)


def _read(cursor: str) -> InboundPlace:
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise ValueError("this cursor is none of ours")
    microseconds, id_ = parts.groups()
    return InboundPlace(_EPOCH + int(microseconds, 16) * _MICROSECOND, UUID(id_))


def _write(last: ShownInbound) -> str:
    return f"{(last.received_at - _EPOCH) // _MICROSECOND:014x}{last.id.hex}"
