"""Progress of requests: counts of messages by status, fast enough for polling thousands of messages."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.operator_reports import PUBLIC_STATUS

Row = dict[str, Any]

_REQUESTS = """
SELECT id, recipients, accepted, first_message, accepted = 0 AND refusals = '[]' AS repeats FROM requests
WHERE id = ANY(%(ids)b)
"""


def requests(conn: Connection, wanted: Sequence[UUID]) -> list[Row]:
    """Return the stored requests: id, recipients, accepted, first message, whether it only repeats an earlier one."""
    return [dict(row) for row in conn.exec_driver_sql(_REQUESTS, {"ids": list(wanted)}).mappings()]


_STATUSES = f"""
SELECT r.id, {PUBLIC_STATUS} AS status, count(*) AS messages
FROM unnest(%(ids)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS r (id, first, last)
CROSS JOIN LATERAL (
    SELECT status, batch_id FROM messages WHERE id BETWEEN r.first AND r.last AND request_id = r.id OFFSET 0
) AS m
JOIN batches AS b ON b.id = m.batch_id
GROUP BY 1, 2
"""


def statuses(conn: Connection, spans: Sequence[tuple[UUID, UUID, UUID]]) -> list[tuple[UUID, str, int]]:
    """Return (request, public status, number of messages) for (request, first id, last id) tuples."""
    if not spans:
        return []
    ids, firsts, lasts = (list(column) for column in zip(*spans, strict=True))
    rows = conn.exec_driver_sql(_STATUSES, {"ids": ids, "firsts": firsts, "lasts": lasts})
    return [(request, status, messages) for request, status, messages in rows]
