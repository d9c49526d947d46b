"""Webhook deliveries of inbound messages (MO): rows of webhook_deliveries about what handsets sent."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from schema.vocabulary import InboundEventType

Row = dict[str, Any]

#: endpoints of dialects that have such events; a part of a long message has none of its own
_RECORD = """
INSERT INTO webhook_deliveries (endpoint_id, concurrency_key, event_id, message_id, status, at)
SELECT e.id, e.id, i.id, i.id, %(status)s, %(at)s
FROM unnest(%(ids)b::uuid[]) AS own (id)
JOIN inbound_messages AS i ON i.id = own.id AND i.joined_to IS NULL
JOIN webhook_endpoints AS e ON e.account_id = i.account_id
JOIN dialects AS d ON d.name = e.dialect AND d.has_inbound
"""


def record(conn: Connection, messages: Sequence[UUID], at: datetime) -> None:
    """Insert a delivery of each handled message for each endpoint of its account whose dialect has inbound events."""
    params = {"ids": list(messages), "status": str(InboundEventType.RECEIVED), "at": at}
    conn.exec_driver_sql(_RECORD, params)


_LOAD = """
SELECT d.id, d.event_id, d.endpoint_id, d.concurrency_key, d.tries, d.status, e.dialect, e.url, e.events, e.sealed,
       NULL::bytea AS key_sealed,
       CASE WHEN e.rotated_at > now() - %(hours)s * interval '1 hour' THEN e.sealed_previous END AS sealed_previous,
       i.phone, i.sender, i.body, i.action, i.carrier, i.at, i.received_at, i.campaign_id
FROM unnest(%(ids)b::uuid[]) AS own (id)
JOIN webhook_deliveries AS d ON d.id = own.id
JOIN webhook_endpoints AS e ON e.id = d.endpoint_id
JOIN inbound_messages AS i ON i.id = d.message_id
"""


def load(conn: Connection, ids: Sequence[UUID], hours: float) -> list[Row]:
    """Return the content and the endpoint of these deliveries, as `webhook_deliveries.load` does for messages."""
    if not ids:
        return []
    return [dict(row) for row in conn.exec_driver_sql(_LOAD, {"ids": list(ids), "hours": hours}).mappings()]
