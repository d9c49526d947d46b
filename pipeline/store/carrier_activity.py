"""What carriers have to do, and did lately. Nothing here reads a whole table, whatever that holds."""

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
    """Batches in one state, and the messages they were made with."""

    batches: int
    messages: int


@dataclass(slots=True)
class CarrierActivity:
    """One carrier's."""

    #: not held
    waiting: dict[BatchStatus, Waiting] = field(default_factory=dict)
    #: by the reason it is held for
    held: dict[HoldReason, Waiting] = field(default_factory=dict)
    outcomes: dict[Outcome, int] = field(default_factory=dict)
    receipts: dict[ReceiptVerdict, int] = field(default_factory=dict)
    #: receipts of which no message is known: not yet, or never
    unmatched: int = 0
    last_receipt: datetime | None = None


#: each part by a partial index of its own
_WAITING = """
SELECT carrier, status, count(*), sum(size)::int8 FROM (
    SELECT carrier, status, size FROM batches WHERE status = 'queued' AND held IS NULL
    UNION ALL SELECT carrier, status, size FROM batches WHERE status = 'sending'
    UNION ALL SELECT carrier, status, size FROM batches WHERE status = 'waiting' AND held IS NULL
) AS b GROUP BY carrier, status
"""
_HELD = "SELECT carrier, held, count(*), sum(size)::int8 FROM batches WHERE held IS NOT NULL GROUP BY carrier, held"
#: of whatever age their messages are: each day's attempts have an index by the time they were recorded
_OUTCOMES = """
SELECT carrier, outcome, count(*) FROM provider_attempts WHERE recorded_at >= %(since)s GROUP BY carrier, outcome
"""
#: ids of receipts are made as they come in
_RECEIPTS = """
SELECT carrier, verdict, count(*), max(received_at), count(*) FILTER (WHERE state IN ('waiting', 'orphaned'))
FROM receipts WHERE id >= %(edge)s GROUP BY carrier, verdict
"""


def activity(conn: Connection, since: datetime) -> Mapping[str, CarrierActivity]:
    """Return what each carrier has waiting, and what became of its attempts and receipts since then."""
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
