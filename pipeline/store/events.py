"""The events table: status changes of messages of accounts that subscribe; an outbox of webhook deliveries.

Deliveries are inserted with the event (docs/decisions/0009-webhooks.md): none is missing for a committed change.
"""

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids
from schema.order import CAMPAIGNS
from schema.vocabulary import Status

#: an endpoint gets events of messages sent through its dialect's API, and of orders and campaigns, which come through
#: none; a callback gets those of its request instead
_RECORD = f"""
WITH moved AS MATERIALIZED (
    SELECT w.id, m.id AS message_id, w.status, m.account_id, m.request_id
    FROM unnest(%(ids)b::uuid[], %(messages)b::uuid[], %(statuses)b::text[]) AS w (id, message_id, status)
    JOIN messages AS m ON m.id = w.message_id AND m.id BETWEEN %(lowest)s AND %(highest)s
    JOIN accounts AS a ON a.id = m.account_id AND a.subscribes
), written AS (
    INSERT INTO events (id, account_id, message_id, status, at)
    SELECT id, account_id, message_id, status, %(at)s FROM moved
), receivers AS (
    SELECT moved.*, r.dialect, r.operation, c.id AS challenge_id, c.key_id
    FROM moved LEFT JOIN requests AS r ON r.id = moved.request_id
    LEFT JOIN challenges AS c ON c.id = moved.request_id AND c.callback_url IS NOT NULL AND c.key_id IS NOT NULL
)
INSERT INTO webhook_deliveries (endpoint_id, challenge_id, concurrency_key, event_id, message_id, status, at)
SELECT e.id, NULL::uuid, e.id, receivers.id, message_id, status, %(at)s::timestamptz
FROM receivers JOIN webhook_endpoints AS e ON e.account_id = receivers.account_id
WHERE challenge_id IS NULL AND (receivers.dialect = e.dialect OR receivers.dialect IS NULL
                                                              AND (operation IS NULL OR operation = '{CAMPAIGNS}'))
UNION ALL
SELECT NULL, challenge_id, md5('key ' || key_id)::uuid, receivers.id, message_id, status, %(at)s
FROM receivers WHERE challenge_id IS NOT NULL
"""


def record(conn: Connection, moves: Iterable[tuple[UUID, Status]], at: datetime) -> None:
    """Insert the events of status changes, and a webhook delivery for each receiver; event ids are made from `at`.

    Messages of accounts that do not subscribe are skipped.
    """
    moved = list(moves)
    if not moved:
        return
    messages = [message for message, _ in moved]
    first = ids.new_ids(at, secrets.randbits(ids.ENTROPY_BITS))
    conn.exec_driver_sql(
        _RECORD,
        {
            "ids": [ids.after(first, place) for place in range(len(moved))],
            "messages": messages,
            "statuses": [str(status) for _, status in moved],
            "lowest": min(messages),
            "highest": max(messages),
            "at": at,
        },
    )


def record_all(conn: Connection, messages: Sequence[UUID], status: Status, at: datetime) -> None:
    """Insert events of these messages with one status, as `record` does."""
    record(conn, ((message, status) for message in messages), at)


_PRUNE = """
DELETE FROM events AS e WHERE e.id < %(before)s
AND NOT EXISTS (
    SELECT FROM webhook_deliveries AS d WHERE d.message_id = e.message_id AND d.event_id = e.id AND d.state = 'waiting'
)
"""


def prune(conn: Connection, before: datetime) -> int:
    """Delete events before then that have no waiting delivery; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"before": ids.lowest(before)}).rowcount
