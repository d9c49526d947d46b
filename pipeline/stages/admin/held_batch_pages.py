"""Held batches, as operators see them: why each waits, whose it is, and until when it may."""

from dataclasses import dataclass

from pipeline.errors import InvalidInput
from pipeline.rules.api.list_cursors import read_cursor, write_cursor
from pipeline.runtime import Runtime
from pipeline.store import held_batch_pages as store
from pipeline.store.held_batch_pages import HeldBatch

__all__ = ["HeldBatch", "HeldBatchList", "held_batch_page"]


@dataclass(frozen=True, slots=True)
class HeldBatchList:
    """Held batches, those that expire first at the front, and the cursor of the next page."""

    batches: list[HeldBatch]
    #: "": this is the last page
    cursor: str


def held_batch_page(rt: Runtime, cursor: str, limit: int) -> HeldBatchList:
    """Return a page of at most `limit` held batches. InvalidInput: a cursor that no page had."""
    try:
        after = read_cursor(cursor) if cursor else None
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    with rt.read_only() as conn:
        found = store.page(conn, after, limit + 1)
    shown = found[:limit]
    return HeldBatchList(shown, write_cursor(shown[-1].place) if len(found) > limit else "")
