"""Pages of an endpoint's webhook deliveries in one state."""

from dataclasses import dataclass
from uuid import UUID

from pipeline.errors import InvalidInput
from pipeline.rules.api.list_cursors import read_cursor, write_cursor
from pipeline.runtime import Runtime
from pipeline.store.api import delivery_pages as store
from pipeline.store.api.delivery_pages import DeliveryRow
from schema.vocabulary import DeliveryState

__all__ = ["DeliveryPage", "DeliveryRow", "delivery_page"]


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """Deliveries of an endpoint, and the cursor of the next page."""

    deliveries: list[DeliveryRow]
    #: "": this is the last page
    cursor: str


def delivery_page(rt: Runtime, endpoint: UUID, state: DeliveryState, cursor: str, limit: int) -> DeliveryPage:
    """Return a page of at most `limit` deliveries: those that wait as they are due, others the latest first.

    `cursor` "": the first page. InvalidInput: a cursor that no page had.
    """
    try:
        place = read_cursor(cursor) if cursor else None
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    with rt.read_only() as conn:
        if state is DeliveryState.WAITING:
            found = store.waiting(conn, endpoint, place, limit + 1)
        else:
            found = store.ended(conn, endpoint, state, place, limit + 1)
    shown = found[:limit]
    return DeliveryPage(shown, write_cursor(shown[-1].place) if len(found) > limit else "")
