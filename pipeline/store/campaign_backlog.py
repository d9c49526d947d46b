"""The backlog of campaigns: how many of their messages wait, in batches that are not done."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from schema.vocabulary import BatchStatus

_OF = """
SELECT count(*) AS batches,
       coalesce(sum(size) FILTER (WHERE held IS NULL AND status IN ('queued', 'sending', 'waiting')), 0)::int8
           AS messages
FROM batches WHERE campaign_id = %(campaign)s AND status <> 'done'
"""


@dataclass(frozen=True, slots=True)
class CampaignBacklog:
    """A campaign's batches that are not done."""

    batches: int
    #: messages of those that are neither scheduled nor held, sizes as they were created
    messages: int


def of(conn: Connection, campaign: UUID) -> CampaignBacklog:
    """Return how much of a campaign is not done."""
    row = conn.exec_driver_sql(_OF, {"campaign": campaign}).one()
    return CampaignBacklog(row.batches, row.messages)


_BY_STATUS = """
SELECT status, held IS NOT NULL AS is_held, sum(size)::int8 AS messages FROM batches
WHERE campaign_id = %(campaign)s AND status <> 'done' GROUP BY 1, 2
"""


def by_status(conn: Connection, campaign: UUID) -> dict[tuple[BatchStatus, bool], int]:
    """Return the messages of a campaign's open batches, by status and whether they are held."""
    rows = conn.exec_driver_sql(_BY_STATUS, {"campaign": campaign})
    return {(BatchStatus(row.status), row.is_held): row.messages for row in rows}
