"""The backlog of webhooks, for metrics: deliveries that wait, and the states of endpoints."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

#: most waiting deliveries that are counted
MOST = 100_000


@dataclass(frozen=True, slots=True)
class WebhookBacklog:
    """Waiting deliveries and endpoints."""

    #: at most MOST
    waiting: int
    #: the earliest due time of these; None: nothing waits
    oldest: datetime | None
    #: endpoints by state: active, failing (active too), suspended
    endpoints: dict[str, int]


_WAITING = """
SELECT count(*) AS waiting, min(due_at) AS oldest
FROM (SELECT due_at FROM webhook_deliveries WHERE state = 'waiting' LIMIT %(most)s) AS d
"""
_ENDPOINTS = """
SELECT CASE WHEN state = 'active' AND failing_since IS NOT NULL THEN 'failing' ELSE state END AS state,
       count(*) AS endpoints
FROM webhook_endpoints GROUP BY 1 ORDER BY 1
"""


def webhook_backlog(conn: Connection) -> WebhookBacklog:
    """Return how many deliveries wait, and how many endpoints work."""
    waiting = conn.exec_driver_sql(_WAITING, {"most": MOST}).one()
    endpoints = {row.state: row.endpoints for row in conn.exec_driver_sql(_ENDPOINTS)}
    return WebhookBacklog(waiting.waiting, waiting.oldest, endpoints)
