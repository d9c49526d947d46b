"""The events table: what moved, for accounts that subscribe. The row is the outbox of the webhooks to come."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules import ids
from schema.vocabulary import Status

_WRITE = """
INSERT INTO events (id, account_id, message_id, status, at)
SELECT e.id, %(account)s, e.message_id, %(status)s, %(at)s
FROM unnest(%(ids)b::uuid[], %(messages)b::uuid[]) AS e (id, message_id)
"""


def write(conn: Connection, first: UUID, account: int, messages: Sequence[UUID], status: Status, at: datetime) -> None:
    """Write that messages of a subscribing account came to a status; their events' ids begin at `first`."""
    if messages:
        own = [ids.after(first, place) for place in range(len(messages))]
        params = {"ids": own, "messages": list(messages), "account": account, "status": str(status), "at": at}
        conn.exec_driver_sql(_WRITE, params)


_SUBSCRIBED = """
SELECT m.account_id, array_agg(m.id) FROM messages AS m JOIN accounts AS a ON a.id = m.account_id AND a.subscribes
WHERE m.id = ANY(%(messages)b) GROUP BY m.account_id
"""


def subscribed(conn: Connection, messages: Sequence[UUID]) -> dict[int, list[UUID]]:
    """Return those of the messages whose account subscribes, by account."""
    if not messages:
        return {}
    return {row[0]: row[1] for row in conn.exec_driver_sql(_SUBSCRIBED, {"messages": list(messages)})}
