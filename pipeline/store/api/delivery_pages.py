"""Pages of an endpoint's webhook deliveries in one state, by keyset."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.rules.api.list_cursors import FIRST_PLACE, LAST_PLACE, ListPlace
from schema.vocabulary import DeliveryState


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A webhook delivery, as lists show it."""

    id: UUID
    #: its subject: a message, a person's number, an inbound message, or a campaign
    subject: UUID
    #: the person whose number it is about; None: it is about something else
    person: str | None
    #: the event: the message's new status, or what else happened
    event: str
    #: when that happened
    at: datetime
    state: DeliveryState
    tries: int
    #: when it is called next, while it waits
    due_at: datetime
    #: of the last call: an HTTP status, or a code; None: not called yet
    answer: str | None
    #: None: it waits
    done_at: datetime | None

    @property
    def place(self) -> ListPlace:
        """Return its place in the list of its state."""
        return ListPlace(self.done_at or self.due_at, self.id)


_FIELDS = "id, message_id, person_id, status, at, state, tries, due_at, answer, done_at"
_WAITING = f"""
SELECT {_FIELDS} FROM webhook_deliveries
WHERE concurrency_key = %(endpoint)s AND state = 'waiting' AND (due_at, id) > (%(at)s, %(id)s)
ORDER BY due_at, id LIMIT %(limit)s
"""
#: the first condition on the state is that of the index
_ENDED = f"""
SELECT {_FIELDS} FROM webhook_deliveries
WHERE concurrency_key = %(endpoint)s AND state <> 'waiting' AND state = %(state)s
  AND (done_at, id) < (%(at)s, %(id)s)
ORDER BY done_at DESC, id DESC LIMIT %(limit)s
"""


def waiting(conn: Connection, endpoint: UUID, after: ListPlace | None, limit: int) -> list[DeliveryRow]:
    """Return up to `limit` deliveries that wait, the next due first, after a place (None: from the first on)."""
    edge = after or FIRST_PLACE
    params = {"endpoint": endpoint, "at": edge.at, "id": edge.id, "limit": limit}
    return [_row(row) for row in conn.exec_driver_sql(_WAITING, params)]


def ended(
    conn: Connection, endpoint: UUID, state: DeliveryState, before: ListPlace | None, limit: int
) -> list[DeliveryRow]:
    """Return up to `limit` delivered or dead ones, the latest first, before a place (None: from the latest on)."""
    edge = before or LAST_PLACE
    params = {"endpoint": endpoint, "state": str(state), "at": edge.at, "id": edge.id, "limit": limit}
    return [_row(row) for row in conn.exec_driver_sql(_ENDED, params)]


def _row(row: Row[Any]) -> DeliveryRow:
    return DeliveryRow(
        id=row.id,
        subject=row.message_id,
        person=row.person_id,
        event=row.status,
        at=row.at,
        state=DeliveryState(row.state),
        tries=row.tries,
        due_at=row.due_at,
        answer=row.answer,
        done_at=row.done_at,
    )
