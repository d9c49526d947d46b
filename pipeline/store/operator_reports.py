"""Read-only queries across tables: a message with its attempts and receipts, requests, counts by status."""

from typing import Any
from uuid import UUID

from sqlalchemy import Connection

Row = dict[str, Any]

#: the public status of a message: its own, or that of its batch
PUBLIC_STATUS = """
coalesce(m.status, CASE WHEN b.status IN ('admitted', 'scheduled') AND b.send_at IS NOT NULL THEN 'scheduled'
                        ELSE 'queued' END)
"""

_MESSAGE = f"""
SELECT m.id, {PUBLIC_STATUS} AS status, m.error_code, a.name AS account, m.phone, m.country, m.sender, m.body,
       m.correlation_id, m.encoding, m.segments, m.amount, a.currency, m.quota, m.money, m.sent_at, m.final_at,
       m.request_id, m.batch_id, b.class, b.test, b.send_at, b.valid_until, m.account_id, b.campaign_id,
       c.name AS campaign
FROM messages AS m JOIN batches AS b ON b.id = m.batch_id JOIN accounts AS a ON a.id = m.account_id
LEFT JOIN campaigns AS c ON c.id = b.campaign_id
WHERE m.id = %(id)s AND (a.name = %(account)s OR %(account)s::text IS NULL)
"""
#: it may be delivered twice: a carrier has it, or may have it, that did not know that another had it before
_ATTEMPTS = """
SELECT a.n, a.carrier, outcome, carrier_ref, code, detail, a.marked_at, recorded_at, late_outcome, late_at, batch_id,
       a.fence, resend_reason AS again,
       outcome IN ('accepted', 'unknown') AND resend_reason IS DISTINCT FROM 'repeat'
       AND count(*) FILTER (WHERE outcome IN ('accepted', 'unknown'))
           OVER (ORDER BY a.n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) > 0 AS possible_duplicate
FROM provider_attempts AS a LEFT JOIN batches AS b ON b.id = a.batch_id
WHERE message_id = %(id)s ORDER BY a.n
"""
_RECEIPTS = """
SELECT carrier, verdict, code, at, received_at, state FROM (
    SELECT * FROM receipts
    WHERE carrier_ref IN (SELECT carrier_ref FROM provider_attempts WHERE message_id = %(id)s)
    UNION SELECT * FROM receipts WHERE ref = %(id)s
) AS of_it ORDER BY received_at
"""
_REQUEST = """
SELECT id, class, test, recipients, accepted, refusals, first_message, send_at, valid_until, created_at, template_id,
       template_version
FROM requests WHERE id = %(id)s
  AND (%(account)s::text IS NULL OR account_id = (SELECT id FROM accounts WHERE name = %(account)s))
"""
_BATCHES = """
SELECT id, status, held, carrier, attempt, round, tried, resend_reason, routing_snapshot_id, size, send_at,
       due_at, valid_until, marked, recorded, fence, claims, lease_until, hinted_at, hints, created_at, queued_at,
       done_at
FROM batches WHERE id = ANY(%(ids)s) ORDER BY attempt, id
"""


def _rows(conn: Connection, query: str, params: Row) -> list[Row]:
    return [dict(row) for row in conn.exec_driver_sql(query, params).mappings()]


def message(conn: Connection, id_: UUID, account: str | None) -> Row | None:
    """Return a message of an account (None: of any), or None."""
    found = _rows(conn, _MESSAGE, {"id": id_, "account": account})
    return found[0] if found else None


_BEGINNING = "SELECT id FROM messages WHERE id BETWEEN %(low)s AND %(high)s ORDER BY id LIMIT %(limit)s"


def beginning(conn: Connection, low: UUID, high: UUID, limit: int) -> list[UUID]:
    """Return up to `limit` message ids from `low` to `high`."""
    rows = conn.exec_driver_sql(_BEGINNING, {"low": low, "high": high, "limit": limit})
    return [id_ for (id_,) in rows]


def attempts(conn: Connection, message_id: UUID) -> list[Row]:
    """Return a message's attempts in order."""
    return _rows(conn, _ATTEMPTS, {"id": message_id})


def receipts(conn: Connection, message_id: UUID) -> list[Row]:
    """Return the receipts of a message, in order of arrival."""
    return _rows(conn, _RECEIPTS, {"id": message_id})


def request(conn: Connection, id_: UUID, account: str | None) -> Row | None:
    """Return a request of an account (None: of any) with its response, or None."""
    found = _rows(conn, _REQUEST, {"id": id_, "account": account})
    return found[0] if found else None


def batches(conn: Connection, wanted: list[UUID]) -> list[Row]:
    """Return batches, ordered by attempt."""
    return _rows(conn, _BATCHES, {"ids": wanted})


_MESSAGES_OF = f"""
SELECT m.id, {PUBLIC_STATUS} AS status, m.error_code, m.segments, m.correlation_id
FROM messages AS m JOIN batches AS b ON b.id = m.batch_id
WHERE m.id BETWEEN %(first)s AND %(last)s AND m.request_id = %(request)s ORDER BY m.id
"""


def messages_of(conn: Connection, request_id: UUID, first: UUID, last: UUID) -> list[Row]:
    """Return a request's messages, in the order of its recipients."""
    return _rows(conn, _MESSAGES_OF, {"request": request_id, "first": first, "last": last})


# OFFSET 0: each is looked up, in its own partition
_FOUND = f"""
SELECT m.id, a.name AS account, m.phone, {PUBLIC_STATUS} AS status, m.error_code, b.carrier, c.name AS campaign,
       m.correlation_id, b.test
FROM unnest(%(ids)b::uuid[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE id = s.id AND (%(phone)s::text IS NULL OR phone = %(phone)s)
      AND (%(correlation_id)s::text IS NULL OR correlation_id = %(correlation_id)s)
    OFFSET 0
) AS m
CROSS JOIN LATERAL (SELECT * FROM batches WHERE id = m.batch_id OFFSET 0) AS b
JOIN accounts AS a ON a.id = m.account_id LEFT JOIN campaigns AS c ON c.id = b.campaign_id
ORDER BY m.id DESC
"""


def found(conn: Connection, wanted: list[UUID], phone: str | None, correlation_id: str | None) -> list[Row]:
    """Return those of the messages that have this number and correlation id (None: any), the latest first."""
    return _rows(conn, _FOUND, {"ids": wanted, "phone": phone, "correlation_id": correlation_id})


_BY_STATUS = f"""
SELECT {PUBLIC_STATUS} AS status, m.error_code, count(*) AS messages, coalesce(sum(m.segments), 0) AS segments
FROM messages AS m JOIN batches AS b ON b.id = m.batch_id
WHERE m.id >= %(since)s GROUP BY 1, 2 ORDER BY 1, 2
"""
_BY_CARRIER = """
SELECT carrier, outcome, count(*) AS attempts, count(*) FILTER (WHERE n > 1) AS failovers
FROM provider_attempts WHERE message_id >= %(since)s GROUP BY carrier, outcome ORDER BY carrier, outcome
"""
_MONEY = """
SELECT a.name AS account, l.unit,
       coalesce(sum(amount) FILTER (WHERE to_book = 'reserved'), 0)
           - coalesce(sum(amount) FILTER (WHERE from_book = 'reserved'), 0) AS reserved,
       coalesce(sum(amount) FILTER (WHERE to_book = 'held'), 0)
           - coalesce(sum(amount) FILTER (WHERE from_book = 'held'), 0) AS held,
       coalesce(sum(amount) FILTER (WHERE kind = 'capture'), 0) AS captured,
       coalesce(sum(amount) FILTER (WHERE kind = 'release' AND from_book = 'held'), 0) AS released,
       coalesce(sum(amount) FILTER (WHERE to_book = 'wallet'), 0)
           - coalesce(sum(amount) FILTER (WHERE from_book = 'wallet'), 0) AS balance
FROM ledger AS l JOIN accounts AS a ON a.id = l.account_id GROUP BY a.name, l.unit ORDER BY a.name, l.unit
"""
_WAITING = """
SELECT status, count(*) AS batches, sum(size)::int8 AS messages, min(due_at) AS oldest
FROM batches WHERE status <> 'done' GROUP BY status ORDER BY status
"""


def by_status(conn: Connection, since: UUID) -> list[Row]:
    """Return the numbers of messages and segments by public status and error code, for ids from `since` on."""
    return _rows(conn, _BY_STATUS, {"since": since})


def by_carrier(conn: Connection, since: UUID) -> list[Row]:
    """Return the numbers of attempts by carrier and outcome, and how many of them were failovers."""
    return _rows(conn, _BY_CARRIER, {"since": since})


def money(conn: Connection) -> list[Row]:
    """Return the amounts reserved, held, captured, released and left of each account, by unit."""
    return _rows(conn, _MONEY, {})


def waiting(conn: Connection) -> list[Row]:
    """Return the numbers of unfinished batches by status, with the oldest due time."""
    return _rows(conn, _WAITING, {})
