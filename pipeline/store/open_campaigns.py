"""Campaigns that are not over, for metrics: how many are in which state, and how far the latest of them are."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from schema.vocabulary import CampaignState, PauseCause

_BY_STATE = """
SELECT state, count(*) AS campaigns FROM campaigns WHERE state NOT IN ('finished', 'aborted', 'expired') GROUP BY state
"""


def by_state(conn: Connection) -> dict[CampaignState, int]:
    """Return the number of campaigns by state, without those that are over."""
    return {CampaignState(row.state): row.campaigns for row in conn.exec_driver_sql(_BY_STATE)}


_PAUSED = """
SELECT e.cause, count(*) AS campaigns FROM campaigns AS c
CROSS JOIN LATERAL (SELECT cause FROM campaign_events WHERE campaign_id = c.id ORDER BY id DESC LIMIT 1) AS e
WHERE c.state = 'paused' AND c.state NOT IN ('finished', 'aborted', 'expired') AND e.cause IS NOT NULL GROUP BY e.cause
"""


def paused(conn: Connection) -> dict[PauseCause, int]:
    """Return the number of paused campaigns by what paused them."""
    return {PauseCause(row.cause): row.campaigns for row in conn.exec_driver_sql(_PAUSED)}


@dataclass(frozen=True, slots=True)
class CampaignRows:
    """How many rows of a campaign are there, are sent, and are left out."""

    id: UUID
    rows: int
    sent: int
    skipped: int


_LATEST = """
SELECT c.id, p.rows, p.sent, p.skipped FROM campaigns AS c JOIN campaign_progress AS p ON p.campaign_id = c.id
WHERE c.state IN ('running', 'paused') AND c.state IN ('checking', 'scheduled', 'running', 'paused')
ORDER BY c.id DESC LIMIT %(limit)s
"""


def latest(conn: Connection, limit: int) -> list[CampaignRows]:
    """Return up to `limit` campaigns that are running or paused, the latest first."""
    rows = conn.exec_driver_sql(_LATEST, {"limit": limit})
    return [CampaignRows(row.id, row.rows, row.sent, row.skipped) for row in rows]
