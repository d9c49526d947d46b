"""Browse: show an account its messages as they stand, the latest first."""

import re
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.runtime import Runtime
from pipeline.store.api import list_messages as store
from pipeline.store.api.list_messages import View
from schema.api_views import ShownMessage
from schema.vocabulary import Status

__all__ = ["MessagePage", "ShownMessage", "View", "list_messages", "look", "recount"]

_CURSOR = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class MessagePage:
    """Some messages, and where the next page begins."""

    messages: list[ShownMessage]
    #: to be handed back as it is; None: there is no more
    cursor: str | None


def look(rt: Runtime, view: View, id_: UUID) -> ShownMessage | None:
    """Return one message as it stands, or None when the view has none of that id."""
    with rt.begin() as conn:
        return store.one(conn, view, id_)


def recount(rt: Runtime, view: View, id_: UUID) -> tuple[ShownMessage, list[tuple[Status, datetime]]] | None:
    """Return one message as it stands and its moves, those that were recorded, in order; None: there is no such."""
    with rt.begin() as conn:
        seen = store.one(conn, view, id_)
        queued = store.queued_at(conn, id_) if seen else None
    if seen is None:
        return None
    made, ended = ids.moment(id_), seen.final_at
    waits = seen.send_at is not None and seen.send_at > made
    is_queued = queued is not None and not (ended and ended <= queued)
    moves = [
        (Status.SCHEDULED, made if waits else None),
        (Status.QUEUED, queued if is_queued else None),
        (Status.SENT, seen.sent_at),
        (seen.status, None if seen.status in _PASSING else ended),
    ]
    return seen, [(status, at) for status, at in moves if at]


_PASSING = (Status.SCHEDULED, Status.QUEUED, Status.SENT)


def list_messages(rt: Runtime, view: View, cursor: str | None, limit: int) -> MessagePage:
    """Return a page of at most so many messages; ValueError when the cursor is none that we gave."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise ValueError("this cursor is none of ours")
    with rt.begin() as conn:
        found = store.page(conn, view, UUID(cursor) if cursor else None, limit + 1)
    shown = found[:limit]
    return MessagePage(shown, shown[-1].id.hex if len(found) > limit else None)
