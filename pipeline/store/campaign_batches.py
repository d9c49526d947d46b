"""Open batches of aborted campaigns in the batches table: found, locked and ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.batch_claims import END
from pipeline.store.messages import Span
from schema.vocabulary import ResendReason

#: by the index of open batches: campaigns that ended long ago cost nothing
_ABORTED = """
WITH RECURSIVE open AS (
    (SELECT campaign_id FROM batches WHERE campaign_id IS NOT NULL AND status <> 'done' ORDER BY campaign_id LIMIT 1)
    UNION ALL
    SELECT (SELECT b.campaign_id FROM batches AS b
            WHERE b.campaign_id > open.campaign_id AND b.status <> 'done' ORDER BY b.campaign_id LIMIT 1)
    FROM open WHERE open.campaign_id IS NOT NULL
)
SELECT id FROM open JOIN campaigns ON id = campaign_id AND state = 'aborted' ORDER BY id LIMIT %(limit)s
"""


def aborted(conn: Connection, limit: int) -> list[UUID]:
    """Return up to `limit` aborted campaigns that have open batches."""
    return [id_ for (id_,) in conn.exec_driver_sql(_ABORTED, {"limit": limit})]


@dataclass(frozen=True, slots=True)
class UnclaimedBatch:
    """A batch that is open, and claimed by no worker."""

    span: Span
    #: for a resend, whose messages are already sent: the reason
    resend_reason: ResendReason | None


_LOCK = """
SELECT b.id, first_id, last_id, resend_reason
FROM batches AS b JOIN campaigns AS c ON c.id = b.campaign_id AND c.state = 'aborted'
WHERE b.campaign_id = %(campaign)s AND status <> 'done' AND status <> 'sending'
ORDER BY b.id LIMIT %(limit)s FOR UPDATE OF b SKIP LOCKED
"""


def lock(conn: Connection, campaign: UUID, limit: int) -> list[UnclaimedBatch]:
    """Return and lock open batches of a campaign that no worker has claimed; none unless the campaign is aborted."""
    rows = conn.exec_driver_sql(_LOCK, {"campaign": campaign, "limit": limit})
    return [
        UnclaimedBatch(Span(row.id, row.first_id, row.last_id), row.resend_reason and ResendReason(row.resend_reason))
        for row in rows
    ]


_END = END.format(statuses="'admitted', 'scheduled', 'queued', 'waiting'")


def end(conn: Connection, batches: Sequence[UUID]) -> None:
    """Close locked batches without a claim, none of whose messages is left to be sent."""
    conn.exec_driver_sql(_END, {"ids": list(batches)})
