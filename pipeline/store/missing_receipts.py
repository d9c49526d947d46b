"""Missing receipts: batches with overdue receipts; expired one-time passwords; receipt latency of carriers."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import receipt_id_matching
from pipeline.store.campaigns import STOPPED
from pipeline.store.messages import Span
from schema.vocabulary import DeadLetterSource

#: materialized: a join that reads it again would lock further rows beyond the limit
_DUE = f"""
WITH due AS MATERIALIZED (
    SELECT id FROM batches WHERE watch_at <= now() ORDER BY watch_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
UPDATE batches AS b
SET watch_at = CASE WHEN b.valid_until > now()
                         AND (a.state <> 'active' OR (SELECT state FROM campaigns WHERE id = b.campaign_id) = 'paused')
                        THEN least(b.valid_until, now() + interval '1 minute')
                    WHEN b.valid_until > now() AND b.class = 'otp' THEN b.valid_until END
FROM due, accounts AS a
WHERE b.id = due.id AND a.id = b.account_id
RETURNING b.id, b.first_id, b.last_id, b.valid_until > now() AS is_valid,
          a.state = 'active' AND NOT {STOPPED} AS is_active
"""


@dataclass(frozen=True, slots=True)
class MissingReceipt:
    """Batches whose watch_at has come; each may be returned once as overdue and once as expired."""

    #: their receipts are overdue
    overdue: list[Span]
    #: they have expired
    expired: list[Span]

    @property
    def count(self) -> int:
        """Return the number of batches."""
        return len(self.overdue) + len(self.expired)


def due(conn: Connection, limit: int) -> MissingReceipt:
    """Return batches (never bulk) whose watch_at has come, set by `finish`, for a code again at its expiry.

    Those of suspended accounts and paused campaigns are postponed until they expire: nothing is resent for them, nor
    for an aborted campaign.
    """
    rows = conn.exec_driver_sql(_DUE, {"limit": limit}).all()
    return MissingReceipt(
        overdue=[Span(row.id, row.first_id, row.last_id) for row in rows if row.is_valid and row.is_active],
        expired=[Span(row.id, row.first_id, row.last_id) for row in rows if not row.is_valid],
    )


#: OFFSET 0 forces one look-up each, whatever the planner estimates
_WITHOUT_RECEIPT = """
SELECT m.id, a.carrier, a.carrier_ref
FROM unnest(%(batches)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (batch_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT id FROM messages
    WHERE id BETWEEN s.first_id AND s.last_id AND batch_id = s.batch_id AND status = 'sent' OFFSET 0
) AS m
CROSS JOIN LATERAL (
    SELECT n, carrier, carrier_ref, marked_at FROM provider_attempts
    WHERE message_id = m.id AND batch_id = s.batch_id AND outcome = 'accepted' AND carrier_ref IS NOT NULL OFFSET 0
) AS a
WHERE NOT EXISTS (SELECT FROM receipts WHERE carrier_ref = a.carrier_ref AND carrier = a.carrier OFFSET 0)
  AND NOT EXISTS (SELECT FROM receipts WHERE ref = m.id OFFSET 0)
  AND NOT EXISTS (SELECT FROM parts WHERE message_id = m.id AND n = a.n AND verdict IS NOT NULL OFFSET 0)
  AND NOT EXISTS (SELECT FROM dead_letter_counts WHERE source = ANY(%(sources)b) AND origin = a.carrier
                  AND last_at >= a.marked_at - %(lately)s * interval '1 second' OFFSET 0)
  AND EXISTS (SELECT FROM carriers WHERE name = a.carrier AND receipt_seconds IS NOT NULL OFFSET 0)
"""
#: sources of unreadable receipts
_SOURCES = [str(DeadLetterSource.RECEIPT), str(DeadLetterSource.SMPP)]


def without_receipt(conn: Connection, spans: Sequence[Span], lately: float) -> list[UUID]:
    """Return the accepted messages of these batches for which their carrier sent no receipt.

    Excluded: messages whose carrier sent something unreadable after the message or up to `lately` seconds before, as it
    may have been its receipt; those with a waiting receipt that spells their id differently; those accepted without an
    id.
    """
    if not spans:
        return []
    params = {**_bounds(spans), "sources": _SOURCES, "lately": lately}
    taken = [(id_, name, ref) for id_, name, ref in conn.exec_driver_sql(_WITHOUT_RECEIPT, params)]
    named = receipt_id_matching.named_by_receipts(conn, taken)
    return [id_ for id_, _, _ in taken if id_ not in named]


_REDACT = """
UPDATE messages AS m SET body = repeat('*', length(m.body))
FROM unnest(%(batches)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (batch_id, first_id, last_id)
JOIN batches AS b ON b.id = s.batch_id AND b.class = 'otp'
WHERE m.id BETWEEN s.first_id AND s.last_id AND m.batch_id = s.batch_id AND m.status = 'sent'
"""


def redact(conn: Connection, spans: Sequence[Span]) -> None:
    """Redact one-time passwords of these batches, which will not be resent: only their length is kept."""
    if spans:
        conn.exec_driver_sql(_REDACT, _bounds(spans))


def _bounds(spans: Sequence[Span]) -> dict[str, list[UUID]]:
    return {
        "batches": [span.batch for span in spans],
        "firsts": [span.first for span in spans],
        "lasts": [span.last for span in spans],
    }


# Receipt latency -----------------------------------------------------------------------------------------------

#: a carrier most of whose latest receipts match no message probably spells ids differently: its latency is unknown
_MEASURE = """
UPDATE carriers AS c SET receipt_seconds = CASE WHEN NOT learnt.is_strange THEN learnt.seconds END
FROM (
    SELECT r.carrier, greatest(%(least)s, 3 * percentile_cont(0.99) WITHIN GROUP (
               ORDER BY extract(epoch FROM r.received_at - a.marked_at))) AS seconds,
           r.carrier IN (
               SELECT carrier FROM (
                   SELECT carrier, state = 'waiting' AND NOT retryable AND received_at < now() - interval '10 seconds'
                              AS is_unknown,
                          row_number() OVER (PARTITION BY carrier ORDER BY id DESC) AS place
                   FROM receipts WHERE id > %(since)s
               ) AS latest
               WHERE place <= %(latest)s
               GROUP BY carrier
               HAVING count(*) FILTER (WHERE is_unknown) >= greatest(%(strange)s, count(*) / 2.0)
           ) AS is_strange
    FROM (
        SELECT id, carrier, carrier_ref, received_at,
               row_number() OVER (PARTITION BY carrier ORDER BY id DESC) AS place
        FROM receipts WHERE id > %(since)s AND state = 'applied' AND carrier_ref IS NOT NULL
    ) AS r
    JOIN LATERAL (
        SELECT marked_at FROM provider_attempts AS a
        WHERE a.carrier_ref = r.carrier_ref AND a.carrier = r.carrier AND a.message_id >= %(recent)s
        ORDER BY marked_at DESC LIMIT 1
    ) AS a ON true
    WHERE r.place <= %(sample)s
    GROUP BY r.carrier HAVING count(*) >= %(fewest)s
) AS learnt
WHERE c.name = learnt.carrier
  AND c.receipt_seconds IS DISTINCT FROM CASE WHEN NOT learnt.is_strange THEN learnt.seconds END
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Numbers of receipts that a carrier's latency is computed from."""

    #: the least number of applied receipts, and how many of the latest are used
    fewest: int
    size: int
    #: latency is unknown when at least `strange`, and half, of the `latest` receipts match no message
    strange: int
    latest: int


def measure(conn: Connection, since: UUID, recent: UUID, *, least: float, sample: Sample) -> None:
    """Update each carrier's receipt_seconds: three times the 99th percentile of its recent latencies, at least `least`.

    Set to NULL for a carrier whose receipts match no messages.
    """
    conn.exec_driver_sql(
        _MEASURE,
        {
            "since": since,
            "recent": recent,
            "least": least,
            "fewest": sample.fewest,
            "sample": sample.size,
            "strange": sample.strange,
            "latest": sample.latest,
        },
    )
