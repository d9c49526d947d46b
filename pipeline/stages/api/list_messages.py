"""Messages of an account for its API: one by id, its status history, and pages of them, the latest first."""

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

__all__ = ["MessagePage", "ShownMessage", "View", "find", "find_with_history", "list_messages"]

_CURSOR = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class MessagePage:
    """A page of messages, and the cursor of the next page."""

    messages: list[ShownMessage]
    #: opaque to the caller; None: this is the last page
    cursor: str | None


def find(rt: Runtime, view: View, id_: UUID) -> ShownMessage | None:
    """Return one message with its status; None: the view has none of that id."""
    with rt.begin() as conn:
        return store.one(conn, view, id_)


def find_with_history(rt: Runtime, view: View, id_: UUID) -> tuple[ShownMessage, list[tuple[Status, datetime]]] | None:
    """Return one message and its recorded status changes, in order; None: the view has none of that id."""
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
    """Return a page of at most `limit` messages; ValueError: invalid cursor."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise ValueError("this cursor is none of ours")
    with rt.begin() as conn:
        found = store.page(conn, view, UUID(cursor) if cursor else None, limit + 1)
    shown = found[:limit]
    return MessagePage(shown, shown[-1].id.hex if len(found) > limit else None)
