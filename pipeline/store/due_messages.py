"""The backlog of messages: due and not finished, due later, held, and in doubt. No query reads what is finished."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from schema.message_class import MessageClass
from schema.vocabulary import BatchStatus, HoldReason


@dataclass(frozen=True, slots=True)
class DueMessages:
    """Due messages of one class and carrier in batches of one status."""

    message_class: MessageClass
    carrier: str
    status: BatchStatus
    #: as their batches were created
    messages: int
    #: the earliest due time
    oldest: datetime


#: each part uses its own partial index; scheduled and waiting batches that are not due yet are no backlog
_DUE = """
SELECT class AS message_class, carrier, status, sum(size)::int8 AS messages, min(due_at) AS oldest FROM (
    SELECT class, carrier, status, size, due_at FROM batches
    WHERE status IN ('admitted', 'queued') AND held IS NULL
    UNION ALL
    SELECT class, carrier, status, size, due_at FROM batches
    WHERE status IN ('scheduled', 'waiting') AND held IS NULL AND due_at <= %(now)s
    UNION ALL
    SELECT class, carrier, status, size, due_at FROM batches WHERE status = 'sending'
) AS b WHERE due_at <= %(now)s GROUP BY class, carrier, status ORDER BY class, carrier, status
"""


def due(conn: Connection, now: datetime) -> list[DueMessages]:
    """Return the due messages that have no status of their own yet, by class, carrier and status of their batch."""
    return [
        DueMessages(MessageClass(row.message_class), row.carrier, BatchStatus(row.status), row.messages, row.oldest)
        for row in conn.exec_driver_sql(_DUE, {"now": now})
    ]


_LATER = """
SELECT coalesce(sum(size), 0)::int8 FROM batches
WHERE status IN ('scheduled', 'waiting') AND held IS NULL AND due_at > %(now)s
"""


def later(conn: Connection, now: datetime) -> int:
    """Return the messages that are due later: scheduled ones, and those between two rounds."""
    return int(conn.exec_driver_sql(_LATER, {"now": now}).scalar_one())


_HELD = "SELECT held, sum(size)::int8 AS messages FROM batches WHERE held IS NOT NULL GROUP BY held"


def held(conn: Connection) -> dict[HoldReason, int]:
    """Return the messages of held batches by the reason of the hold."""
    return {HoldReason(row.held): row.messages for row in conn.exec_driver_sql(_HELD)}


#: the bound prunes partitions; the partial index of the others has only what is in doubt
_IN_DOUBT = """
SELECT carrier, count(*) AS attempts FROM provider_attempts
WHERE outcome = 'unknown' AND resolved_at IS NULL AND message_id >= %(since)s GROUP BY carrier ORDER BY carrier
"""


def in_doubt(conn: Connection, since: UUID) -> dict[str, int]:
    """Return the attempts by carrier that may have been accepted, of messages with ids from `since` on."""
    return {row.carrier: row.attempts for row in conn.exec_driver_sql(_IN_DOUBT, {"since": since})}
