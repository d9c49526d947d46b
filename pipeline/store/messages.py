"""The messages table: written by COPY, priced once, and moved to the status its outcome gives, always in sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.lifecycle import REVOKE
from pipeline.store.copy import copy
from schema.message import Charge
from schema.value_class import value_class
from schema.vocabulary import Code, Encoding, Money, Outcome, Status

_COLUMNS = {
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
    """Write new messages: (id, request, batch, account, phone, country, sender, body, correlation id) each."""
    copy(conn, "messages", _COLUMNS, rows)


_PAID_COLUMNS = _COLUMNS | {
    "encoding": "text",
    "segments": "int2",
    "amount": "int8",
    "quota": "int2",
    "money": "text",
    "status": "text",
    "error_code": "text",
    "final_at": "timestamptz",
}


def write_paid(conn: Connection, rows: Iterable[tuple[tuple[Any, ...], Charge]], at: datetime) -> None:
    """Write new messages as `write` does, each with what it was found to be and to cost."""
    copy(conn, "messages", _PAID_COLUMNS, (row + _paid(charge, at) for row, charge in rows))


def _paid(charge: Charge, at: datetime) -> tuple[Any, ...]:
    refusal = charge.refusal
    return (
        str(charge.measure.encoding),
        charge.measure.segments,
        charge.amount,
        charge.quota,
        Money.HELD.value if refusal is None and charge.amount + charge.quota > 0 else None,
        Status.REJECTED.value if refusal else None,
        refusal and str(refusal),
        at if refusal else None,
    )


@dataclass(frozen=True, slots=True)
class Span:
    """Where a batch's messages lie: ids from `first` to `last` that name the batch."""

    batch: UUID
    first: UUID
    last: UUID


_BODIES = """
SELECT body FROM messages
WHERE id BETWEEN %(first)s AND %(last)s AND batch_id = %(batch)s
ORDER BY id
"""


def bodies(conn: Connection, span: Span) -> list[str]:
    """Return the bodies of a batch by id."""
    rows = conn.exec_driver_sql(_BODIES, {"batch": span.batch, "first": span.first, "last": span.last}).all()
    return [body for (body,) in rows]


_MEMBERS = """
SELECT id, phone, country, status IS NULL FROM messages
WHERE id BETWEEN %(first)s AND %(last)s AND batch_id = %(batch)s
ORDER BY id
"""


@value_class
class Member:
    """One of a batch's messages."""

    id: UUID
    phone: str
    country: str
    #: it has no status of its own yet
    is_undecided: bool


def members(conn: Connection, span: Span) -> list[Member]:
    """Return all messages of a batch by id."""
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
    """A message that has no status of its own yet."""

    batch: UUID
    id: UUID
    phone: str
    country: str
    sender: str
    #: None: not measured yet
    encoding: Encoding | None
    #: of one that is sent once more: what its carrier said to that; None: it was not asked
    outcome: Outcome | None = None


def undecided(conn: Connection, spans: Sequence[Span]) -> list[Undecided]:
    """Return the messages of these batches that have no status of their own yet, each batch's by id."""
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
    """Return the sent messages that these batches were to send once more, and that their carrier did not take."""
    return _undecided(conn, _UNTAKEN, spans)


_CAME_THROUGH = """
SELECT m.id, r.door, m.body FROM messages AS m JOIN requests AS r ON r.id = m.request_id
WHERE m.id = ANY(%(ids)b) AND m.id BETWEEN %(first)s AND %(last)s AND r.door = ANY(%(apis)s)
"""


def came_through(conn: Connection, ids: Sequence[UUID], apis: Iterable[str]) -> list[tuple[UUID, str, str]]:
    """Return (id, door, body) of those of the messages that came through one of these doors."""
    if not ids:
        return []
    params = {"ids": list(ids), "first": min(ids), "last": max(ids), "apis": list(apis)}
    return [(row[0], row[1], row[2]) for row in conn.exec_driver_sql(_CAME_THROUGH, params).all()]


#: a text of this class holds a code: once its message has come to its end only its length is kept; what never comes to
#: one is seen to by `silences.blot`
_HOLDS_A_CODE = "(SELECT class = 'otp' FROM batches WHERE id = {message}.batch_id)"
_BLOTTED = "repeat('*', length({message}.body))"

_CHARGE = f"""
UPDATE messages AS m
SET encoding = c.encoding, segments = c.segments, amount = c.amount, quota = c.quota,
    money = CASE WHEN c.refusal IS NULL AND c.amount + c.quota > 0 THEN 'held' END,
    status = CASE WHEN c.refusal IS NOT NULL THEN 'rejected' END,
    error_code = c.refusal,
    body = CASE WHEN c.refusal IS NOT NULL AND {_HOLDS_A_CODE.format(message="m")} THEN {_BLOTTED.format(message="m")}
                ELSE m.body END,
    final_at = CASE WHEN c.refusal IS NOT NULL THEN now() END
FROM unnest(%(ids)b::uuid[], %(encodings)b::text[], %(segments)b::int2[], %(amounts)b::int8[], %(quotas)b::int2[],
            %(refusals)b::text[]) AS c (id, encoding, segments, amount, quota, refusal)
WHERE m.id = c.id AND m.id BETWEEN %(first)s AND %(last)s AND m.status IS NULL
"""


def charge(conn: Connection, ids: Sequence[UUID], charges: Sequence[Charge]) -> None:
    """Write what each message is and costs; hold its money, or reject it."""
    if not ids:
        return
    conn.exec_driver_sql(
        _CHARGE,
        {
            "ids": ids,
            "encodings": [str(each.measure.encoding) for each in charges],
            "segments": [each.measure.segments for each in charges],
            "amounts": [each.amount for each in charges],
            "quotas": [each.quota for each in charges],
            "refusals": [each.refusal and str(each.refusal) for each in charges],
            "first": min(ids),
            "last": max(ids),
        },
    )


@value_class
class Moved:
    """Money and quota of one batch's messages that moved together."""

    account: int
    batch: UUID
    #: one of the messages: its id tells their month
    message: UUID
    amount: int
    quota: int


_MOVE = f"""
WITH moved AS (
    UPDATE messages
    SET status = %(status)s, error_code = %(code)s,
        body = CASE WHEN %(status)s <> 'sent' AND {_HOLDS_A_CODE.format(message="messages")}
                    THEN {_BLOTTED.format(message="messages")} ELSE body END,
        sent_at = CASE WHEN %(status)s = 'sent' THEN %(at)s::timestamptz END,
        final_at = CASE WHEN %(status)s <> 'sent' THEN %(at)s::timestamptz END,
        money = CASE WHEN money = 'held' THEN %(money)s END
    WHERE id = ANY(%(ids)b) AND id BETWEEN %(first)s AND %(last)s AND status IS NULL
    RETURNING id, account_id, batch_id, amount, quota, money
)
SELECT account_id, batch_id, (array_agg(id))[1], sum(amount)::int8, sum(quota)::int8
FROM moved WHERE money = %(money)s AND money <> 'held' GROUP BY account_id, batch_id
"""


def move(
    conn: Connection, ids: Sequence[UUID], status: Status, money: Money, *, at: datetime, code: Code | None = None
) -> list[Moved]:
    """Give messages that stood as their batch does a status of their own; return the money that moved with them.

    Of those that end here only the length is kept of a text that holds a code.
    """
    if not ids:
        return []
    rows = conn.exec_driver_sql(
        _MOVE,
        {
            "ids": list(ids),
            "first": min(ids),
            "last": max(ids),
            "status": str(status),
            "money": str(money),
            "code": code and str(code),
            "at": at,
        },
    )
    return [Moved(*row) for row in rows]


_LOCK_SENT = "SELECT FROM messages WHERE id = ANY(%(ids)b) AND status IN ('sent', 'failed') ORDER BY id FOR UPDATE"


def lock_sent(conn: Connection, ids: Sequence[UUID]) -> None:
    """Lock those of the messages that are sent, or failed, in order: two that move them never deadlock."""
    if ids:
        conn.exec_driver_sql(_LOCK_SENT, {"ids": list(ids)})


_DOUBT_OVER = """
WITH moved AS (
    UPDATE messages SET money = %(money)s
    WHERE id = ANY(%(ids)b) AND status = 'sent' AND money = 'held'
    RETURNING id, account_id, batch_id, amount, quota
)
SELECT account_id, batch_id, (array_agg(id))[1], sum(amount)::int8, sum(quota)::int8
FROM moved GROUP BY account_id, batch_id
"""


def end_doubt(conn: Connection, ids: Sequence[UUID], money: Money) -> list[Moved]:
    """Let go of the money of sent messages that was still held for an unknown attempt; return what moved."""
    if not ids:
        return []
    return [Moved(*row) for row in conn.exec_driver_sql(_DOUBT_OVER, {"ids": list(ids), "money": str(money)})]


_CONCLUDE = f"""
UPDATE messages AS m
SET status = %(status)s, error_code = %(code)s, final_at = now(),
    body = CASE WHEN {_HOLDS_A_CODE.format(message="m")} THEN {_BLOTTED.format(message="m")} ELSE m.body END
WHERE m.id = ANY(%(ids)b) AND m.status = 'sent'
RETURNING m.id
"""


def conclude(conn: Connection, ids: Sequence[UUID], status: Status, code: Code | None = None) -> set[UUID]:
    """Move sent messages to delivered or failed; return those that moved."""
    if not ids:
        return set()
    rows = conn.exec_driver_sql(_CONCLUDE, {"ids": list(ids), "status": str(status), "code": code and str(code)})
    return {id_ for (id_,) in rows}


_REVOKE = f"""
UPDATE messages AS m SET status = 'delivered', error_code = NULL, final_at = now()
WHERE m.id = ANY(%(ids)b) AND m.status = 'failed'
  AND m.error_code IN ({", ".join(f"'{code}'" for code in sorted(REVOKE.revokes))})
  AND EXISTS (SELECT FROM provider_attempts AS a WHERE a.message_id = m.id AND a.outcome IN ('accepted', 'unknown'))
RETURNING m.id
"""


def revoke(conn: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Move messages to delivered that had failed though a carrier had them, or may have; return those that moved.

    Their money stays where it is: what was given back stays given back.
    """
    return {id_ for (id_,) in conn.exec_driver_sql(_REVOKE, {"ids": list(ids)})} if ids else set()


_REASSIGN = """
UPDATE messages AS m SET batch_id = r.batch_id
FROM unnest(%(ids)b::uuid[], %(batches)b::uuid[], %(sent)b::bool[]) AS r (id, batch_id, is_sent)
WHERE m.id = r.id AND m.id BETWEEN %(first)s AND %(last)s
  AND (m.status IS NULL AND NOT r.is_sent OR m.status = 'sent' AND r.is_sent)
"""


def reassign(conn: Connection, moves: Sequence[tuple[UUID, UUID, bool]]) -> None:
    """Put messages into other batches: (message, batch, whether it must be sent already, or not be sent yet) each.

    A message that is neither stays where it is.
    """
    messages = [message for message, _, _ in moves]
    params = {
        "ids": messages,
        "batches": [batch for _, batch, _ in moves],
        "sent": [is_sent for _, _, is_sent in moves],
        "first": min(messages),
        "last": max(messages),
    }
    conn.exec_driver_sql(_REASSIGN, params)


_BATCHES_OF = """
SELECT id, batch_id FROM messages
WHERE id = ANY(%(ids)b) AND (account_id = %(account)s OR %(account)s::int4 IS NULL)
"""


def batches_of(conn: Connection, ids: Sequence[UUID], account: int | None) -> dict[UUID, UUID]:
    """Return message → batch for those of the messages that exist and are the account's (None: anybody's)."""
    rows = conn.exec_driver_sql(_BATCHES_OF, {"ids": list(ids), "account": account})
    return {row[0]: row[1] for row in rows}


_STANDING = (
    "SELECT id FROM messages WHERE id = ANY(%(ids)b) AND batch_id = ANY(%(batches)b) AND status IS NULL ORDER BY id"
)


def standing(conn: Connection, ids: Sequence[UUID], batches: Sequence[UUID]) -> list[UUID]:
    """Return those of the messages in these batches that have no status of their own yet."""
    rows = conn.exec_driver_sql(_STANDING, {"ids": list(ids), "batches": list(batches)})
    return [id_ for (id_,) in rows]
