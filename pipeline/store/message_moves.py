"""Moves of messages from one status to another, and of their money's state: guarded UPDATEs of sets.

Only `pipeline.transitions` runs them, which moves the ledger and writes the events as well. Of a message that ends here
only the length is kept of a text that holds a code.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.lifecycle import REVOKE, Move
from pipeline.store import messages
from pipeline.store.copy import copy
from pipeline.store.ledger import Moved
from schema.message import Charge
from schema.value_class import value_class
from schema.vocabulary import Code, Money, Status

_PAID_COLUMNS = messages.COLUMNS | {
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
    """Write new messages as `messages.write` does, each with what it was found to be and to cost."""
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


#: a text of this class holds a code: once its message has come to its end only its length is kept; what never comes to
#: one is seen to by `missing_receipts.redact`
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
    final_at = CASE WHEN c.refusal IS NOT NULL THEN %(at)s::timestamptz END
FROM unnest(%(ids)b::uuid[], %(encodings)b::text[], %(segments)b::int2[], %(amounts)b::int8[], %(quotas)b::int2[],
            %(refusals)b::text[]) AS c (id, encoding, segments, amount, quota, refusal)
WHERE m.id = c.id AND m.id BETWEEN %(first)s AND %(last)s AND m.status IS NULL
"""


def charge(conn: Connection, ids: Sequence[UUID], charges: Sequence[Charge], at: datetime) -> None:
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
            "at": at,
            "first": min(ids),
            "last": max(ids),
        },
    )


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


def move(conn: Connection, ids: Sequence[UUID], by: Move, at: datetime, code: Code | None = None) -> list[Moved]:
    """Give messages that had their batch's status one of their own; return the money that moved with them."""
    assert code in by.codes
    if not ids:
        return []
    money = by.money.get(Money.HELD)
    rows = conn.exec_driver_sql(
        _MOVE,
        {
            "ids": list(ids),
            "first": min(ids),
            "last": max(ids),
            "status": str(by.after),
            "money": money and str(money),
            "code": code and str(code),
            "at": at,
        },
    )
    return [Moved(*row) for row in rows]


_MOVE_MONEY = """
WITH moved AS (
    UPDATE messages SET money = %(money)s
    WHERE id = ANY(%(ids)b) AND status = 'sent' AND money = 'held'
    RETURNING id, account_id, batch_id, amount, quota
)
SELECT account_id, batch_id, (array_agg(id))[1], sum(amount)::int8, sum(quota)::int8
FROM moved GROUP BY account_id, batch_id
"""


def move_money(conn: Connection, ids: Sequence[UUID], by: Move) -> list[Moved]:
    """Move the money of sent messages that was still held for an unknown attempt; return what moved."""
    if not ids:
        return []
    params = {"ids": list(ids), "money": str(by.money[Money.HELD])}
    return [Moved(*row) for row in conn.exec_driver_sql(_MOVE_MONEY, params)]


@value_class
class Ended:
    """Messages that moved to a final status."""

    ids: set[UUID]
    #: any account wants events; False where nothing moved
    listens: bool


_END = f"""
UPDATE messages AS m
SET status = %(status)s, error_code = %(code)s, final_at = %(at)s,
    body = CASE WHEN {_HOLDS_A_CODE.format(message="m")} THEN {_BLOTTED.format(message="m")} ELSE m.body END
WHERE m.id = ANY(%(ids)b) AND m.status = 'sent'
RETURNING m.id, EXISTS (SELECT FROM accounts WHERE subscribes)
"""


def end(conn: Connection, ids: Sequence[UUID], by: Move, at: datetime, code: Code | None = None) -> Ended:
    """Move sent messages to a final status; return those that moved."""
    assert code in by.codes
    params: dict[str, Any] = {"ids": list(ids), "status": str(by.after), "code": code and str(code), "at": at}
    return _ended(conn, _END, params)


_REVOKE = f"""
UPDATE messages AS m SET status = '{REVOKE.after}', error_code = NULL, final_at = %(at)s
WHERE m.id = ANY(%(ids)b) AND m.status = '{REVOKE.before}'
  AND m.error_code IN ({", ".join(f"'{code}'" for code in sorted(REVOKE.revokes))})
  AND EXISTS (SELECT FROM provider_attempts AS a WHERE a.message_id = m.id AND a.outcome IN ('accepted', 'unknown'))
RETURNING m.id, EXISTS (SELECT FROM accounts WHERE subscribes)
"""


def revoke(conn: Connection, ids: Sequence[UUID], at: datetime) -> Ended:
    """Move messages to delivered that had failed though a carrier had them, or may have; return those that moved.

    Their money stays where it is: what was given back stays given back.
    """
    return _ended(conn, _REVOKE, {"ids": list(ids), "at": at})


def _ended(conn: Connection, statement: str, params: dict[str, Any]) -> Ended:
    rows = conn.exec_driver_sql(statement, params).all() if params["ids"] else []
    return Ended({row[0] for row in rows}, bool(rows) and rows[0][1])


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
