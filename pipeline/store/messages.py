"""The messages table: inserts by COPY and set-based queries; status changes are in `message_moves`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.bulk_copy import copy
from schema.value_class import value_class
from schema.vocabulary import Encoding, Outcome

#: the columns of a new message
COLUMNS = {
    "id": "uuid",
    "request_id": "uuid",
    "batch_id": "uuid",
    "account_id": "int4",
    "phone": "text",
    "country": "text",
    "sender": "text",
    "body": "text",
    "correlation_id": "text",
}


def write(conn: Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Insert messages by COPY: (id, request, batch, account, phone, country, sender, body, correlation id) each."""
    copy(conn, "messages", COLUMNS, rows)


@dataclass(frozen=True, slots=True)
class Span:
    """The id range of a batch's messages; ids from `first` to `last` may also belong to other batches."""

    batch: UUID
    first: UUID
    last: UUID


_BODIES = """
SELECT body FROM messages
WHERE id BETWEEN %(first)s AND %(last)s AND batch_id = %(batch)s
ORDER BY id
"""


def bodies(conn: Connection, span: Span) -> list[str]:
    """Return the bodies of a batch's messages, ordered by id."""
    rows = conn.exec_driver_sql(_BODIES, {"batch": span.batch, "first": span.first, "last": span.last}).all()
    return [body for (body,) in rows]


_MEMBERS = """
SELECT id, phone, country, status IS NULL FROM messages
WHERE id BETWEEN %(first)s AND %(last)s AND batch_id = %(batch)s
ORDER BY id
"""


@value_class
class Member:
    """A message of a batch."""

    id: UUID
    phone: str
    country: str
    #: it has no own status yet
    is_undecided: bool


def members(conn: Connection, span: Span) -> list[Member]:
    """Return all messages of a batch, ordered by id."""
    params = {"batch": span.batch, "first": span.first, "last": span.last}
    return [Member(*row) for row in conn.exec_driver_sql(_MEMBERS, params).all()]


_UNDECIDED = """
SELECT s.batch_id, m.id, m.phone, m.country, m.sender, m.encoding, NULL
FROM unnest(%(batches)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (batch_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT id, phone, country, sender, encoding FROM messages
    WHERE id BETWEEN s.first_id AND s.last_id AND batch_id = s.batch_id AND status IS NULL
    ORDER BY id
) AS m
"""


@value_class
class Undecided:
    """A message without an own status (status NULL)."""

    batch: UUID
    id: UUID
    phone: str
    country: str
    sender: str
    #: None: not segmented yet
    encoding: Encoding | None
    #: of a resend: the outcome at this batch's carrier; None: it was not tried
    outcome: Outcome | None = None


def undecided(conn: Connection, spans: Sequence[Span]) -> list[Undecided]:
    """Return the undecided messages of these batches, each batch's by id."""
    return _undecided(conn, _UNDECIDED, spans)


def _undecided(conn: Connection, statement: str, spans: Sequence[Span]) -> list[Undecided]:
    if not spans:
        return []
    params = {
        "batches": [span.batch for span in spans],
        "firsts": [span.first for span in spans],
        "lasts": [span.last for span in spans],
    }
    rows = conn.exec_driver_sql(statement, params).all()
    return [
        Undecided(batch, id_, phone, country, sender, encoding and Encoding(encoding), outcome and Outcome(outcome))
        for batch, id_, phone, country, sender, encoding, outcome in rows
    ]


_UNTAKEN = """
SELECT s.batch_id, m.id, m.phone, m.country, m.sender, m.encoding, a.outcome
FROM unnest(%(batches)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (batch_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT id, phone, country, sender, encoding FROM messages
    WHERE id BETWEEN s.first_id AND s.last_id AND batch_id = s.batch_id AND status = 'sent'
    ORDER BY id
) AS m
LEFT JOIN provider_attempts AS a ON a.message_id = m.id AND a.batch_id = s.batch_id
WHERE coalesce(a.outcome, '') NOT IN ('accepted', 'unknown')
"""


def untaken(conn: Connection, spans: Sequence[Span]) -> list[Undecided]:
    """Return the sent messages that these batches were to resend and that their carrier did not accept."""
    return _undecided(conn, _UNTAKEN, spans)


_SENT_THROUGH = """
SELECT m.id, concat_ws('.', r.dialect, r.operation), m.body FROM messages AS m JOIN requests AS r ON r.id = m.request_id
WHERE m.id = ANY(%(ids)b) AND m.id BETWEEN %(first)s AND %(last)s
  AND r.dialect IS NOT NULL AND concat_ws('.', r.dialect, r.operation) = ANY(%(apis)s)
"""


def sent_through(conn: Connection, ids: Sequence[UUID], apis: Iterable[str]) -> list[tuple[UUID, str, str]]:
    """Return (id, API, body) of those of the messages sent through one of these APIs (`dialect.operation`)."""
    if not ids:
        return []
    params = {"ids": list(ids), "first": min(ids), "last": max(ids), "apis": list(apis)}
    return [(id_, api, body) for id_, api, body in conn.exec_driver_sql(_SENT_THROUGH, params).all()]


_LOCK_SENT = """
SELECT id, status = 'sent' AND money = 'held' AS is_held FROM messages
WHERE id = ANY(%(ids)b) AND status IN ('sent', 'failed') ORDER BY id FOR UPDATE
"""


def lock_sent(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Lock those of the messages that are sent or failed, in order of id, so that two calls do not deadlock.

    Return those whose money is still held for an unknown attempt.
    """
    rows = conn.exec_driver_sql(_LOCK_SENT, {"ids": list(ids)}) if ids else ()
    return {id_ for id_, is_held in rows if is_held}


_BATCHES_OF = """
SELECT id, batch_id FROM messages
WHERE id = ANY(%(ids)b) AND (account_id = %(account)s OR %(account)s::int4 IS NULL)
"""


def batches_of(conn: Connection, ids: Sequence[UUID], account: int | None) -> dict[UUID, UUID]:
    """Return message → batch for those of the messages that exist and belong to the account (None: to any)."""
    return dict(conn.exec_driver_sql(_BATCHES_OF, {"ids": list(ids), "account": account}).all())


_STANDING = (
    "SELECT id FROM messages WHERE id = ANY(%(ids)b) AND batch_id = ANY(%(batches)b) AND status IS NULL ORDER BY id"
)


def standing(conn: Connection, ids: Sequence[UUID], batches: Sequence[UUID]) -> list[UUID]:
    """Return those of the messages in these batches that are undecided (status NULL)."""
    rows = conn.exec_driver_sql(_STANDING, {"ids": list(ids), "batches": list(batches)})
    return [id_ for (id_,) in rows]
