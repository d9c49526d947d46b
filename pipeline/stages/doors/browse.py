"""Browse: show an account its messages as they stand, the latest first."""

import re
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.doors import browse as store
from pipeline.store.doors.browse import View
from schema.shown import Seen

__all__ = ["Page", "Seen", "View", "browse", "look"]

_CURSOR = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages, and where the next page begins."""

    messages: list[Seen]
    #: to be handed back as it is; None: there is no more
    cursor: str | None


def look(rt: Runtime, view: View, id_: UUID) -> Seen | None:
    """Return one message as it stands, or None when the view has none of that id."""
    with rt.begin() as conn:
        return store.one(conn, view, id_)


def browse(rt: Runtime, view: View, cursor: str | None, limit: int) -> Page:
    """Return a page of at most so many messages; ValueError when the cursor is none that we gave."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise ValueError("this cursor is none of ours")
    with rt.begin() as conn:
        found = store.page(conn, view, UUID(cursor) if cursor else None, limit + 1)
    shown = found[:limit]
    return Page(shown, shown[-1].id.hex if len(found) > limit else None)
