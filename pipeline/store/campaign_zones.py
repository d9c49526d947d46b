"""Time zones that recipients of campaigns have of their own, by message."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids

_OF = """
SELECT q.first_message, r.place, r.time_zone
FROM (SELECT DISTINCT request_id FROM messages WHERE id = ANY(%(ids)b) AND id BETWEEN %(first)s AND %(last)s) AS m
JOIN requests AS q ON q.id = m.request_id
CROSS JOIN LATERAL ( -- OFFSET 0: each request is looked up by the index, however many rows its campaign has
    SELECT place, time_zone FROM campaign_rows
    WHERE campaign_id = ANY(%(campaigns)b) AND request_id = m.request_id AND time_zone IS NOT NULL OFFSET 0
) AS r
"""


def of_messages(conn: Connection, campaigns: Collection[UUID], messages: Collection[UUID]) -> dict[UUID, str]:
    """Return message → IANA name of its recipient's time zone, for those of the campaigns' messages that have one."""
    if not campaigns or not messages:
        return {}
    params = {"ids": list(messages), "first": min(messages), "last": max(messages), "campaigns": list(campaigns)}
    rows = conn.exec_driver_sql(_OF, params)
    return {ids.after(row.first_message, row.place): row.time_zone for row in rows}
