"""Series of campaigns: the first one's row has the time of the next, each other one what it is copied from."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.campaigns import SELECT, as_campaign
from schema.campaign import Campaign

# not while the latest is being made or checked, nor while it is paused: the series waits until it is resumed
_DUE = """
SELECT f.id FROM campaigns AS f
CROSS JOIN LATERAL (SELECT state FROM campaigns WHERE series_id = f.id ORDER BY occurs_on DESC LIMIT 1) AS latest
WHERE f.repeat_next_at <= %(until)s AND latest.state NOT IN ('draft', 'checking', 'paused')
ORDER BY f.repeat_next_at LIMIT %(limit)s
"""


def due(conn: Connection, until: datetime, limit: int) -> list[UUID]:
    """Return series whose next campaign is to be sent until then, and whose latest one does not hinder it."""
    return list(conn.exec_driver_sql(_DUE, {"until": until, "limit": limit}).scalars())


_LATEST = f"{SELECT} WHERE c.series_id = %(series)s ORDER BY c.occurs_on DESC LIMIT 1"


def latest(conn: Connection, series: UUID) -> Campaign:
    """Return the latest campaign of a series."""
    return as_campaign(conn.exec_driver_sql(_LATEST, {"series": series}).one())


_OPEN = f"{SELECT} WHERE c.series_id = %(series)s AND c.ended_at IS NULL ORDER BY c.occurs_on DESC LIMIT %(most)s"


def unended(conn: Connection, series: UUID, most: int) -> list[Campaign]:
    """Return campaigns of a series that have not ended, the latest first."""
    rows = conn.exec_driver_sql(_OPEN, {"series": series, "most": most})
    return [as_campaign(row) for row in rows]


_APPROVALS = f"""
{SELECT} WHERE c.series_id = %(series)s AND c.approved_at IS NOT NULL AND c.approved_with IS NULL AND c.id <> %(id)s
ORDER BY c.occurs_on DESC LIMIT %(most)s
"""


def approvals(conn: Connection, campaign: Campaign, most: int) -> list[Campaign]:
    """Return the other campaigns of a series that were approved by themselves, the latest first."""
    rows = conn.exec_driver_sql(_APPROVALS, {"series": campaign.series_id, "id": campaign.id, "most": most})
    return [as_campaign(row) for row in rows]


_SET_NEXT = "UPDATE campaigns SET repeat_next_at = %(at)s, repeat_ended = %(ended)s WHERE id = %(series)s"


def set_next(conn: Connection, series: UUID, at: datetime | None, ended: str | None = None) -> None:
    """Set the time of the next campaign of a series; None: there is none, for the reason `ended` or by its rule."""
    conn.exec_driver_sql(_SET_NEXT, {"series": series, "at": at, "ended": ended})


_UNFINISHED = """
SELECT c.id FROM campaigns AS c JOIN campaign_progress AS p ON p.campaign_id = c.id
WHERE c.copies_from IS NOT NULL AND c.ended_at IS NULL AND c.state <> 'checking' AND p.worked_at < %(before)s
ORDER BY p.worked_at LIMIT %(limit)s
"""


def unfinished(conn: Connection, before: datetime, limit: int) -> list[UUID]:
    """Return campaigns that the clock is making, on which nothing was done since then."""
    return list(conn.exec_driver_sql(_UNFINISHED, {"before": before, "limit": limit}).scalars())


_MADE = "UPDATE campaigns SET copies_from = NULL WHERE id = %(id)s"


def end_making(conn: Connection, campaign: UUID) -> None:
    """Let the clock do nothing more with a campaign: it is started, or waits for a person."""
    conn.exec_driver_sql(_MADE, {"id": campaign})


# Rows ----------------------------------------------------------------------------------------------------------

# verdicts that a check sets are left to the check
_COPY = """
WITH copied AS (
    INSERT INTO campaign_rows (campaign_id, line, phone, country, correlation_id, merge, time_zone, verdict, fault)
    SELECT %(campaign)s, line, phone, country, correlation_id, merge, time_zone,
           CASE WHEN is_kept THEN verdict END, CASE WHEN is_kept THEN fault END
    FROM (
        SELECT *, verdict IN ('malformed', 'excluded')
                  OR verdict = 'phone_invalid' AND phone !~ '^\\+[0-9]+$' AS is_kept
        FROM campaign_rows
        WHERE campaign_id = %(source)s
          AND line > coalesce((SELECT max(line) FROM campaign_rows WHERE campaign_id = %(campaign)s), 0)
        ORDER BY line LIMIT %(limit)s
    ) AS portion
    RETURNING verdict
)
UPDATE campaign_progress AS p
SET rows = p.rows + c.rows, skipped = p.skipped + c.skipped, worked_at = %(at)s,
    digest = CASE WHEN p.rows + c.rows = s.rows THEN s.digest END
FROM (SELECT count(*)::int4 AS rows, count(verdict)::int4 AS skipped FROM copied) AS c,
     (SELECT rows, digest FROM campaign_progress WHERE campaign_id = %(source)s) AS s
WHERE p.campaign_id = %(campaign)s
RETURNING c.rows AS copied, s.rows - p.rows AS missing
"""


def copy_rows(conn: Connection, campaign: UUID, source: UUID, limit: int, at: datetime) -> tuple[int, int]:
    """Copy the next recipients of another campaign; return how many, and how many are still missing.

    The counts of the campaign are locked.
    """
    params = {"campaign": campaign, "source": source, "limit": limit, "at": at}
    row = conn.exec_driver_sql(_COPY, params).one()
    return row.copied, row.missing
