"""Activity of carriers: waiting and held batches, recent outcomes and receipts. No query scans a whole table."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids
from schema.vocabulary import BatchStatus, HoldReason, Outcome, ReceiptVerdict


@dataclass(frozen=True, slots=True)
class Waiting:
    """Batches in one state, and the number of messages they were created with."""

    batches: int
    messages: int


@dataclass(slots=True)
class CarrierActivity:
    """The activity of one carrier."""

    #: batches by status, without held ones
    waiting: dict[BatchStatus, Waiting] = field(default_factory=dict)
    #: held batches by reason
    held: dict[HoldReason, Waiting] = field(default_factory=dict)
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    receipts: dict[ReceiptVerdict, int] = field(default_factory=dict)
    #: receipts without a known message, so far or for good
    unmatched: int = 0
    last_receipt: datetime | None = None


#: each part uses its own partial index
_WAITING = """
SELECT carrier, status, count(*), sum(size)::int8 FROM (
    SELECT carrier, status, size FROM batches WHERE status = 'queued' AND held IS NULL
    UNION ALL SELECT carrier, status, size FROM batches WHERE status = 'sending'
    UNION ALL SELECT carrier, status, size FROM batches WHERE status = 'waiting' AND held IS NULL
) AS b GROUP BY carrier, status
"""
_HELD = "SELECT carrier, held, count(*), sum(size)::int8 FROM batches WHERE held IS NOT NULL GROUP BY carrier, held"
#: messages of any age: each day's attempts have an index on recorded_at
_OUTCOMES = """
SELECT carrier, outcome, count(*) FROM provider_attempts WHERE recorded_at >= %(since)s GROUP BY carrier, outcome
"""
#: ids of receipts begin with the time of arrival
_RECEIPTS = """
SELECT carrier, verdict, count(*), max(received_at), count(*) FILTER (WHERE state IN ('waiting', 'orphaned'))
FROM receipts WHERE id >= %(edge)s GROUP BY carrier, verdict
"""


def activity(conn: Connection, since: datetime) -> Mapping[str, CarrierActivity]:
    """Return carrier → its waiting batches, and the outcomes of attempts and receipts since then."""
    found: defaultdict[str, CarrierActivity] = defaultdict(CarrierActivity)
    edge: UUID = ids.lowest(since)
    for carrier, status, batches, messages in conn.exec_driver_sql(_WAITING):
        found[carrier].waiting[BatchStatus(status)] = Waiting(batches, messages)
    for carrier, held, batches, messages in conn.exec_driver_sql(_HELD):
        found[carrier].held[HoldReason(held)] = Waiting(batches, messages)
    for carrier, outcome, attempts in conn.exec_driver_sql(_OUTCOMES, {"since": since}):
        found[carrier].outcomes[Outcome(outcome)] = attempts
    for carrier, verdict, receipts, last, unmatched in conn.exec_driver_sql(_RECEIPTS, {"edge": edge}):
        each = found[carrier]
        each.receipts[ReceiptVerdict(verdict)] = receipts
        each.unmatched += unmatched
        each.last_receipt = max(filter(None, (each.last_receipt, last)))
    return found
