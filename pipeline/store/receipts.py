"""The receipts table: delivery reports as they came, kept first and applied second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules import ids
from schema.carriage import Receipt
from schema.vocabulary import ReceiptState, Verdict

_KEEP = """
INSERT INTO receipts (id, carrier, key, carrier_ref, ref, verdict, code, at, raw, due_at)
SELECT id, carrier, key, carrier_ref, ref, verdict, code, at, raw, now() + wait * interval '1 second'
FROM unnest(%(ids)b::uuid[], %(carriers)b::text[], %(keys)b::text[], %(carrier_refs)b::text[], %(refs)b::uuid[],
            %(verdicts)b::text[], %(codes)b::text[], %(ats)b::timestamptz[], %(raws)b::text[], %(waits)b::float8[])
     AS r (id, carrier, key, carrier_ref, ref, verdict, code, at, raw, wait)
ON CONFLICT (carrier, key) DO NOTHING
"""


def keep(conn: Connection, first: UUID, receipts: Sequence[Receipt], waits: Mapping[str, float] | None = None) -> int:
    """Keep receipts, each once however often it comes; return how many were new.

    `waits` says, by a receipt's key, how many seconds it is not to be looked at.
    """
    if not receipts:
        return 0
    ordered = sorted(receipts, key=lambda each: (each.carrier, each.key))
    params = {
        "ids": [ids.after(first, place) for place in range(len(ordered))],
        "carriers": [each.carrier for each in ordered],
        "keys": [each.key for each in ordered],
        "carrier_refs": [each.carrier_ref for each in ordered],
        "refs": [each.ref for each in ordered],
        "verdicts": [str(each.verdict) for each in ordered],
        "codes": [each.code for each in ordered],
        "ats": [each.at for each in ordered],
        "raws": [each.raw for each in ordered],
        "waits": [(waits or {}).get(each.key, 0.0) for each in ordered],
    }
    return conn.exec_driver_sql(_KEEP, params).rowcount


@dataclass(frozen=True, slots=True)
class Matched:
    """A receipt with the message it speaks of, when one is known."""

    receipt: UUID
    verdict: Verdict
    received_at: datetime
    message: UUID | None


_DUE = """
WITH due AS (
    SELECT id, carrier, carrier_ref, ref, verdict, received_at FROM receipts
    WHERE state = 'waiting' AND due_at <= now()
    ORDER BY due_at, received_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
SELECT due.id, verdict, received_at, coalesce(by_carrier.message_id, by_us.message_id)
FROM due
LEFT JOIN LATERAL (
    SELECT message_id FROM provider_attempts AS a
    WHERE a.carrier_ref = due.carrier_ref AND a.carrier = due.carrier
    ORDER BY marked_at DESC LIMIT 1
) AS by_carrier ON true
LEFT JOIN LATERAL (
    SELECT message_id FROM provider_attempts AS a
    WHERE by_carrier.message_id IS NULL AND a.message_id = due.ref AND a.carrier = due.carrier
      AND a.outcome IN ('accepted', 'unknown')
    ORDER BY n DESC LIMIT 1
) AS by_us ON true
ORDER BY due.id
"""


def due(conn: Connection, limit: int) -> list[Matched]:
    """Return and lock receipts to look at now, oldest first, with the messages they speak of.

    Matched by the carrier's reference, else by ours where the carrier echoed it: an attempt that was left unknown
    has no reference of the carrier's. A try that was refused is not meant: a later one at the same carrier is still
    under way, and its receipt came before its answer.
    """
    rows = conn.exec_driver_sql(_DUE, {"limit": limit})
    return [Matched(id_, Verdict(verdict), at, message) for id_, verdict, at, message in rows]


_CLOSE = "UPDATE receipts SET state = %(state)s, applied_at = now() WHERE id = ANY(%(ids)b)"


def close(conn: Connection, receipts: Sequence[UUID], state: ReceiptState) -> None:
    """Say what was done with receipts."""
    if receipts:
        conn.exec_driver_sql(_CLOSE, {"ids": list(receipts), "state": str(state)})


_POSTPONE = """
UPDATE receipts SET
    due_at = now() + least(greatest(now() - received_at, interval '1 second'), interval '10 minutes'),
    state = CASE WHEN received_at < now() - %(hours)s * interval '1 hour' THEN 'orphaned' ELSE state END
WHERE id = ANY(%(ids)b)
"""


def postpone(conn: Connection, receipts: Sequence[UUID], hours: float) -> None:
    """Look again later at receipts whose attempt is not known yet, ever more rarely; after so many hours never."""
    if receipts:
        conn.exec_driver_sql(_POSTPONE, {"ids": list(receipts), "hours": hours})
