"""Webhook deliveries of person events: rows of webhook_deliveries about persons' numbers instead of messages."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from schema.vocabulary import NumberMove

Row = dict[str, Any]

#: endpoints of dialects that have persons
_RECORD = """
INSERT INTO webhook_deliveries (endpoint_id, concurrency_key, event_id, message_id, person_id, status, at)
SELECT e.id, e.id, %(event)s, %(number)s, %(person)s, %(move)s, %(at)s
FROM webhook_endpoints AS e JOIN dialects AS d ON d.name = e.dialect AND d.has_persons
WHERE e.account_id = %(account)s
"""


def record(
    conn: Connection, event: UUID, account: int, person: str, number: UUID, move: NumberMove, at: datetime
) -> None:
    """Insert a delivery of a person's number change for each endpoint of the account whose dialect has persons."""
    params = {"event": event, "account": account, "person": person, "number": number, "move": str(move), "at": at}
    conn.exec_driver_sql(_RECORD, params)


_LOAD = """
SELECT d.id, d.event_id, d.endpoint_id, d.concurrency_key, d.tries, d.status, d.at, d.message_id, d.person_id,
       e.dialect, e.url, e.events, e.sealed, NULL::bytea AS key_sealed,
       CASE WHEN e.rotated_at > now() - %(hours)s * interval '1 hour' THEN e.sealed_previous END AS sealed_previous
FROM unnest(%(ids)b::uuid[]) AS own (id)
JOIN webhook_deliveries AS d ON d.id = own.id
JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
"""


def load(conn: Connection, ids: Sequence[UUID], hours: float) -> list[Row]:
    """Return the content and the endpoint of these deliveries, as `webhook_deliveries.load` does for messages."""
    if not ids:
        return []
    return [dict(row) for row in conn.exec_driver_sql(_LOAD, {"ids": list(ids), "hours": hours}).mappings()]
