"""Outcomes of a carrier's recent attempts by its codes, and the delays of its latest receipts."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids
from schema.vocabulary import Outcome


@dataclass(frozen=True, slots=True)
class CodeCount:
    """Number of attempts with the same outcome and code."""

    outcome: Outcome
    #: the carrier's code; None: it gave none
    code: str | None
    attempts: int
    #: what the carrier said with one of them
    detail: str | None
    latest: datetime


@dataclass(frozen=True, slots=True)
class ReceiptDelays:
    """Seconds from handing messages to a carrier to their receipts."""

    receipts: int
    median: float
    #: 95 and 99 of a hundred arrived within these
    p95: float
    p99: float


_CODES = """
SELECT outcome, code, count(*) AS attempts, max(detail) AS detail, max(recorded_at) AS latest
FROM provider_attempts WHERE recorded_at >= %(since)s AND carrier = %(carrier)s
GROUP BY outcome, code ORDER BY attempts DESC, outcome, code LIMIT %(limit)s
"""


def by_code(conn: Connection, carrier: str, since: datetime, limit: int) -> list[CodeCount]:
    """Return the most frequent outcomes and codes of a carrier's attempts since then."""
    rows = conn.exec_driver_sql(_CODES, {"carrier": carrier, "since": since, "limit": limit})
    return [CodeCount(Outcome(row.outcome), row.code, row.attempts, row.detail, row.latest) for row in rows]


_DELAYS = """
SELECT count(*) AS receipts,
       percentile_cont(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (
           ORDER BY extract(epoch FROM r.received_at - a.marked_at)) AS delays
FROM (
    SELECT carrier_ref, received_at FROM receipts
    WHERE id >= %(edge)s AND carrier = %(carrier)s AND state = 'applied' AND carrier_ref IS NOT NULL
    ORDER BY id DESC LIMIT %(limit)s
) AS r
JOIN LATERAL (
    SELECT marked_at FROM provider_attempts AS a
    WHERE a.carrier_ref = r.carrier_ref AND a.carrier = %(carrier)s AND a.message_id >= %(oldest)s
    ORDER BY marked_at DESC LIMIT 1
) AS a ON true
"""


def receipt_delays(
    conn: Connection, carrier: str, since: datetime, oldest: datetime, limit: int
) -> ReceiptDelays | None:
    """Return the delays of up to `limit` of a carrier's latest receipts since then; None: there are none.

    Receipts of messages from before `oldest` are left out.
    """
    edge: UUID = ids.lowest(since)
    params = {"carrier": carrier, "edge": edge, "oldest": ids.lowest(oldest), "limit": limit}
    row = conn.exec_driver_sql(_DELAYS, params).one()
    return ReceiptDelays(row.receipts, *row.delays) if row.receipts else None
