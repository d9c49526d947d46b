"""Batches that wait for a carrier or for their time, by class and carrier. Each part reads its own partial index."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from schema.message_class import MessageClass


@dataclass(frozen=True, slots=True)
class Backlog:
    """Messages of one class for one carrier that wait, held ones apart."""

    message_class: MessageClass
    carrier: str
    #: due, and not with a carrier yet; counted as their batches were created
    due: int
    #: when the oldest of them was due
    oldest: datetime | None
    #: due later: scheduled, or between two rounds
    later: int


_BACKLOG = """
SELECT class, carrier, coalesce(sum(size) FILTER (WHERE due_at <= %(now)s), 0)::int8 AS due,
       min(due_at) FILTER (WHERE due_at <= %(now)s) AS oldest,
       coalesce(sum(size) FILTER (WHERE due_at > %(now)s), 0)::int8 AS later
FROM (
    SELECT class, carrier, size, coalesce(queued_at, due_at, created_at) AS due_at FROM batches
    WHERE status IN ('admitted', 'queued') AND held IS NULL
    UNION ALL
    SELECT class, carrier, size, coalesce(queued_at, due_at) FROM batches WHERE status = 'sending'
    UNION ALL
    SELECT class, carrier, size, due_at FROM batches WHERE status IN ('scheduled', 'waiting') AND held IS NULL
) AS waiting GROUP BY class, carrier ORDER BY class, carrier
"""


def by_class_and_carrier(conn: Connection, now: datetime) -> list[Backlog]:
    """Return what waits at that time."""
    rows = conn.exec_driver_sql(_BACKLOG, {"now": now})
    return [Backlog(MessageClass(getattr(row, "class")), row.carrier, row.due, row.oldest, row.later) for row in rows]
