"""What each carrier did in the last hour and the last minute, for metrics, from the sums by minute."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class RecentTraffic:
    """A carrier's recent traffic."""

    #: messages in the period that were reported as delivered, and as not
    delivered: int
    undelivered: int
    #: segments that it accepted within the minute
    segments: int


_BY_CARRIER = """
SELECT carrier, coalesce(sum(messages) FILTER (WHERE status = 'delivered'), 0)::int8 AS delivered,
       coalesce(sum(messages) FILTER (WHERE before = 'sent' AND status = 'failed'), 0)::int8 AS undelivered,
       coalesce(sum(segments) FILTER (WHERE minute = %(minute)s AND before = 'queued' AND status = 'sent'), 0)::int8
           AS segments
FROM status_counts_by_minute WHERE minute >= %(since)s AND NOT test GROUP BY carrier ORDER BY carrier
"""


def by_carrier(conn: Connection, since: datetime, minute: datetime) -> dict[str, RecentTraffic]:
    """Return carrier → what it did since then, and in that minute."""
    rows = conn.exec_driver_sql(_BY_CARRIER, {"since": since, "minute": minute})
    return {row.carrier: RecentTraffic(row.delivered, row.undelivered, row.segments) for row in rows}
