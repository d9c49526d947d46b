"""Status and money transitions of messages: guarded set-based UPDATEs.

Only `pipeline.transitions` calls them; it also moves the ledger and writes the events. Each statement that changes a
status or earns money also counts it (`status_counts`). When a message with a one-time
password reaches a final status, its body is replaced by asterisks of the same length.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.lifecycle import ACCEPT, REVOKE, Move, billed
from pipeline.store import messages
from pipeline.store.bulk_copy import copy
from pipeline.store.status_counts import RESENT, appending
from pipeline.store.wallet_ledger import Moved
from schema.message import Charge
from schema.value_class import value_class
from schema.vocabulary import Code, Money

#: what billing writes of a message
_BILLED = {
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
    """Insert messages as `messages.write` does, with encoding, segments, price, and status if rejected."""
    copy(conn, "messages", messages.COLUMNS | _BILLED, (row + _paid(charge, at) for row, charge in rows))


def _paid(charge: Charge, at: datetime) -> tuple[Any, ...]:
    """Return the columns of a billed message that `write_paid` adds: its money is held, or it is rejected."""
    status, code, money, _ = billed(charge.refusal, is_charged=charge.amount + charge.quota > 0)
    return (
        str(charge.measure.encoding),
        charge.measure.segments,
        charge.amount,
        charge.quota,
        money and str(money),
        status and str(status),
        code and str(code),
        at if status else None,
    )


#: a one-time password: the body is redacted at a final status; messages that never reach one are redacted by
#: `missing_receipts.redact`
_HOLDS_A_CODE = "(SELECT class = 'otp' FROM batches WHERE id = {message}.batch_id)"
_REDACTED = "repeat('*', length({message}.body))"

_CHARGE = f"""
WITH moved AS (
UPDATE messages AS m
SET encoding = c.encoding, segments = c.segments, amount = c.amount, quota = c.quota, money = c.money,
    status = c.status, error_code = c.error_code, final_at = c.final_at,
    body = CASE WHEN c.status IS NOT NULL AND {_HOLDS_A_CODE.format(message="m")} THEN {_REDACTED.format(message="m")}
                ELSE m.body END
FROM unnest(%(ids)b::uuid[], %(encoding)b::text[], %(segments)b::int2[], %(amount)b::int8[], %(quota)b::int2[],
            %(money)b::text[], %(status)b::text[], %(error_code)b::text[], %(final_at)b::timestamptz[])
     AS c (id, encoding, segments, amount, quota, money, status, error_code, final_at)
WHERE m.id = c.id AND m.id BETWEEN %(first)s AND %(last)s AND m.status IS NULL
RETURNING m.account_id, m.batch_id, m.country, m.segments, m.amount, m.money, m.status
)
{appending("moved", before="''", status="coalesce(status, 'queued')")}
"""


def charge(conn: Connection, ids: Sequence[UUID], charges: Sequence[Charge], at: datetime) -> None:
    """Write encoding, segments and price of undecided messages; set their money to held, or reject them."""
    if not ids:
        return
    columns = map(list, zip(*(_paid(each, at) for each in charges), strict=True))
    params = dict(zip(_BILLED, columns, strict=True))
    conn.exec_driver_sql(_CHARGE, params | {"ids": ids, "first": min(ids), "last": max(ids), "at": at})


#: of accepted messages: since when they were queued
_QUEUED_AT = "CASE WHEN %(is_accepted)s THEN coalesce(b.queued_at, %(at)s::timestamptz) END"
_PLACED = appending(
    "moved", before="CASE WHEN encoding IS NULL THEN '' ELSE 'queued' END", status="%(status)s", took=_QUEUED_AT
)
_MOVE = f"""
WITH moved AS (
    UPDATE messages
    SET status = %(status)s, error_code = %(code)s,
        body = CASE WHEN %(status)s <> 'sent' AND {_HOLDS_A_CODE.format(message="messages")}
                    THEN {_REDACTED.format(message="messages")} ELSE body END,
        sent_at = CASE WHEN %(status)s = 'sent' THEN %(at)s::timestamptz END,
        final_at = CASE WHEN %(status)s <> 'sent' THEN %(at)s::timestamptz END,
        money = CASE WHEN money = 'held' THEN %(money)s END
    WHERE id = ANY(%(ids)b) AND id BETWEEN %(first)s AND %(last)s AND status IS NULL
    RETURNING id, account_id, batch_id, country, encoding, segments, amount, quota, money
), counted AS ({_PLACED})
SELECT account_id, batch_id, (array_agg(id))[1], sum(amount)::int8, sum(quota)::int8
FROM moved WHERE money = %(money)s AND money <> 'held' GROUP BY account_id, batch_id
"""


def move(conn: Connection, ids: Sequence[UUID], by: Move, at: datetime, code: Code | None = None) -> list[Moved]:
    """Give undecided messages (status NULL) a status; return the money that moved, by batch."""
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
            "is_accepted": by is ACCEPT,
        },
    )
    return [Moved(*row) for row in rows]


#: released money earns nothing
_EARNED = "(SELECT * FROM moved WHERE money = 'captured') AS earned"
_MOVE_MONEY = f"""
WITH moved AS (
    UPDATE messages SET money = %(money)s
    WHERE id = ANY(%(ids)b) AND status = 'sent' AND money = 'held'
    RETURNING id, account_id, batch_id, country, amount, quota, money
), counted AS ({appending(_EARNED, before="'sent'", status="'sent'", counts=False)})
SELECT account_id, batch_id, (array_agg(id))[1], sum(amount)::int8, sum(quota)::int8
FROM moved GROUP BY account_id, batch_id
"""


def move_money(conn: Connection, ids: Sequence[UUID], by: Move, at: datetime) -> list[Moved]:
    """Move the money of sent messages that was still held for an unknown attempt; return what moved, by batch."""
    if not ids:
        return []
    params = {"ids": list(ids), "money": str(by.money[Money.HELD]), "at": at}
    return [Moved(*row) for row in conn.exec_driver_sql(_MOVE_MONEY, params)]


@value_class
class Ended:
    """Messages that moved to a final status."""

    ids: set[UUID]
    #: whether any account has events enabled; False when no message moved
    listens: bool


#: what is earned by it, `move_money` has counted
_UNPAID = "(SELECT account_id, batch_id, country, segments, 0 AS amount, NULL AS money FROM moved) AS ended"
#: of delivered messages: when they were accepted, or scheduled for (a batch's first message has a UUIDv7), and sent
_ACCEPTED_AT = """CASE WHEN m.status = 'delivered' THEN greatest(
    to_timestamp(('x' || left(replace(b.first_id::text, '-', ''), 12))::bit(48)::int8 / 1000.0), b.send_at) END"""
_COUNTED = appending(
    "(SELECT account_id, batch_id, country, segments, 0 AS amount, NULL AS money, sent_at FROM moved) AS ended",
    before="'sent'",
    status="%(status)s",
    took=_ACCEPTED_AT,
    lag="CASE WHEN %(status)s = 'delivered' THEN sent_at END",
)
_END = f"""
WITH moved AS (
    UPDATE messages AS m
    SET status = %(status)s, error_code = %(code)s, final_at = %(at)s,
        body = CASE WHEN {_HOLDS_A_CODE.format(message="m")} THEN {_REDACTED.format(message="m")} ELSE m.body END
    WHERE m.id = ANY(%(ids)b) AND m.status = 'sent'
    RETURNING m.id, m.account_id, m.batch_id, m.country, m.segments, m.sent_at
), counted AS ({_COUNTED})
SELECT id, EXISTS (SELECT FROM accounts WHERE subscribes) AS listens FROM moved
"""


def end(conn: Connection, ids: Sequence[UUID], by: Move, at: datetime, code: Code | None = None) -> Ended:
    """Move sent messages to a final status; return those that moved."""
    assert code in by.codes
    params: dict[str, Any] = {"ids": list(ids), "status": str(by.after), "code": code and str(code), "at": at}
    return _ended(conn, _END, params)


_REVOKE = f"""
WITH moved AS (
    UPDATE messages AS m SET status = '{REVOKE.after}', error_code = NULL, final_at = %(at)s
    WHERE m.id = ANY(%(ids)b) AND m.status = '{REVOKE.before}'
      AND m.error_code IN ({", ".join(f"'{code}'" for code in sorted(REVOKE.revokes))})
      AND EXISTS (SELECT FROM provider_attempts AS a
                  WHERE a.message_id = m.id AND a.outcome IN ('accepted', 'unknown'))
    RETURNING m.id, m.account_id, m.batch_id, m.country, m.segments
), counted AS ({appending(_UNPAID, before=f"'{REVOKE.before}'", status=f"'{REVOKE.after}'")})
SELECT id, EXISTS (SELECT FROM accounts WHERE subscribes) AS listens FROM moved
"""


def revoke(conn: Connection, ids: Sequence[UUID], at: datetime) -> Ended:
    """Move failed messages that a carrier had, or may have had, to delivered; return those that moved.

    Released money stays released.
    """
    return _ended(conn, _REVOKE, {"ids": list(ids), "at": at})


def _ended(conn: Connection, statement: str, params: dict[str, Any]) -> Ended:
    rows = conn.exec_driver_sql(statement, params).all() if params["ids"] else []
    return Ended({id_ for id_, _ in rows}, listens=bool(rows) and rows[0].listens)


_REASSIGN = """
UPDATE messages AS m SET batch_id = r.batch_id
FROM unnest(%(ids)b::uuid[], %(batches)b::uuid[], %(sent)b::bool[]) AS r (id, batch_id, is_sent)
WHERE m.id = r.id AND m.id BETWEEN %(first)s AND %(last)s
  AND (m.status IS NULL AND NOT r.is_sent OR m.status = 'sent' AND r.is_sent)
"""
#: a message that is resent by another carrier leaves the one and comes to the other: both are counted
_REASSIGN_SENT = f"""
WITH held AS (
    SELECT m.id, b.carrier FROM messages AS m JOIN batches AS b ON b.id = m.batch_id
    WHERE m.id = ANY(%(ids)b) AND m.id BETWEEN %(first)s AND %(last)s AND m.status = 'sent'
), moved AS ({_REASSIGN} RETURNING m.id, m.account_id, m.batch_id, m.country, m.segments)
{RESENT}
"""


def reassign(conn: Connection, moves: Sequence[tuple[UUID, UUID, bool]], at: datetime) -> None:
    """Move messages to other batches, which exist: (message, batch, whether it must be sent, or undecided) each.

    A message in another state stays in its batch.
    """
    messages = [message for message, _, _ in moves]
    params: dict[str, Any] = {
        "ids": messages,
        "batches": [batch for _, batch, _ in moves],
        "sent": [is_sent for _, _, is_sent in moves],
        "first": min(messages),
        "last": max(messages),
    }
    if any(params["sent"]):
        conn.exec_driver_sql(_REASSIGN_SENT, params | {"at": at})
    else:
        conn.exec_driver_sql(_REASSIGN, params)
