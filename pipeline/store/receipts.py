"""The receipts table: delivery reports as they came, kept first and applied second."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules import ids
from schema.carriage import Receipt
from schema.vocabulary import ReceiptState, Verdict

_KEEP = """
INSERT INTO receipts (id, carrier, key, carrier_ref, ref, verdict, code, retryable, at, raw, due_at, state, applied_at)
SELECT id, carrier, key, carrier_ref, ref, verdict, code, retryable, at, raw, now() + wait * interval '1 second', state,
       CASE WHEN state <> 'waiting' THEN now() END
FROM unnest(%(ids)b::uuid[], %(carriers)b::text[], %(keys)b::text[], %(carrier_refs)b::text[], %(refs)b::uuid[],
            %(verdicts)b::text[], %(codes)b::text[], %(retryables)b::bool[], %(ats)b::timestamptz[], %(raws)b::text[],
            %(waits)b::float8[], %(states)b::text[])
     AS r (id, carrier, key, carrier_ref, ref, verdict, code, retryable, at, raw, wait, state)
ON CONFLICT (carrier, key) DO NOTHING
"""


def keep(
    conn: Connection,
    first: UUID,
    receipts: Sequence[Receipt],
    waits: Mapping[str, float] | None = None,
    states: Mapping[str, ReceiptState] | None = None,
) -> int:
    """Keep receipts, each once however often it comes; return how many were new.

    By a receipt's key `waits` says how many seconds it is not to be looked at, and `states` what was done with it.
    """
    if not receipts:
        return 0
    ordered = sorted(receipts, key=lambda each: (each.carrier, each.key))
    waits, states = waits or {}, states or {}
    params = {
        "ids": [ids.after(first, place) for place in range(len(ordered))],
        "carriers": [each.carrier for each in ordered],
        "keys": [each.key for each in ordered],
        "carrier_refs": [each.carrier_ref for each in ordered],
        "refs": [each.ref for each in ordered],
        "verdicts": [str(each.verdict) for each in ordered],
        "codes": [each.code for each in ordered],
        "retryables": [each.retryable for each in ordered],
        "ats": [each.at for each in ordered],
        "raws": [each.raw for each in ordered],
        "waits": [waits.get(each.key, 0.0) for each in ordered],
        "states": [str(states.get(each.key, ReceiptState.WAITING)) for each in ordered],
    }
    return conn.exec_driver_sql(_KEEP, params).rowcount


@dataclass(frozen=True, slots=True)
class Matched:
    """A receipt with the message it speaks of, when one is known."""

    #: the receipt's id, or the key of one that is not kept yet
    receipt: UUID | str
    carrier: str
    carrier_ref: str | None
    verdict: Verdict
    code: str | None
    #: another carrier might still deliver it
    retryable: bool
    message: UUID | None
    #: which attempt it speaks of
    n: int | None
    #: it speaks of one part of a long message only
    is_part: bool
    #: FAILED: no carrier took the message, or may have, after the attempt it speaks of
    is_latest: bool
    #: FAILED: the message is being sent once more just now, so that nobody knows yet whether that is the end of it
    is_early: bool

    @property
    def waits(self) -> bool:
        """Whether nothing can be made of it yet."""
        return self.message is None or self.is_early


#: by the carrier's reference, which it may give out anew (most messages are two days old at most), else by ours where
#: the carrier echoed it: an attempt that was left unknown has no reference of the carrier's. A try that was refused is
#: not meant: a later one at the same carrier is still under way, and its receipt came before its answer
_MATCH = """
SELECT r.id, r.carrier, r.carrier_ref, r.verdict, r.code, r.retryable, found.message_id, found.n,
       recent.message_id IS NULL AND of_part.message_id IS NOT NULL,
       coalesce(found.n = standing.latest, false), coalesce(standing.is_early, false)
FROM r
LEFT JOIN LATERAL (
    SELECT message_id, n, created_at FROM parts AS p WHERE p.carrier = r.carrier AND p.carrier_ref = r.carrier_ref
) AS of_part ON true
LEFT JOIN LATERAL (
    SELECT message_id, n FROM provider_attempts AS a
    WHERE a.carrier_ref = r.carrier_ref AND a.carrier = r.carrier AND a.message_id >= %(recent)s
      AND (of_part.message_id IS NULL OR a.marked_at > of_part.created_at)
    ORDER BY marked_at DESC LIMIT 1
) AS recent ON true
LEFT JOIN LATERAL (
    SELECT message_id, n FROM provider_attempts AS a
    WHERE coalesce(of_part.message_id, recent.message_id) IS NULL AND a.carrier_ref = r.carrier_ref
      AND a.carrier = r.carrier
    ORDER BY marked_at DESC LIMIT 1
) AS old ON true
LEFT JOIN LATERAL (
    SELECT message_id, n FROM provider_attempts AS a
    WHERE coalesce(of_part.message_id, recent.message_id, old.message_id) IS NULL AND a.message_id = r.ref
      AND a.carrier = r.carrier AND a.outcome IN ('accepted', 'unknown')
    ORDER BY n DESC LIMIT 1
) AS by_us ON true
CROSS JOIN LATERAL (
    SELECT coalesce(recent.message_id, of_part.message_id, old.message_id, by_us.message_id) AS message_id,
           coalesce(recent.n, of_part.n, old.n, by_us.n) AS n
) AS found
LEFT JOIN LATERAL (
    SELECT (SELECT max(a.n) FROM provider_attempts AS a
            WHERE a.message_id = m.id AND a.outcome IN ('accepted', 'unknown')) AS latest,
           b.again IS NOT NULL AND b.status <> 'done' AS is_early
    FROM messages AS m JOIN batches AS b ON b.id = m.batch_id
    WHERE r.verdict = 'failed' AND m.id = found.message_id AND m.status = 'sent'
) AS standing ON true
ORDER BY r.place
"""
_DUE = f"""
WITH r AS (
    SELECT id, carrier, carrier_ref, ref, verdict, code, retryable, row_number() OVER (ORDER BY id) AS place
    FROM (SELECT * FROM receipts
          WHERE state = 'waiting' AND due_at <= now() AND (verdict = 'failed' AND retryable) = %(retryable)s
          ORDER BY due_at, received_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED) AS waiting
)
{_MATCH}
"""
_GIVEN = f"""
WITH r AS (
    SELECT * FROM unnest(%(keys)b::text[], %(carriers)b::text[], %(carrier_refs)b::text[], %(refs)b::uuid[],
                         %(verdicts)b::text[], %(codes)b::text[], %(retryables)b::bool[])
                  WITH ORDINALITY AS r (id, carrier, carrier_ref, ref, verdict, code, retryable, place)
)
{_MATCH}
"""
#: how old most of the messages are that receipts speak of
_RECENT = timedelta(days=2)


def due(conn: Connection, limit: int, now: datetime, *, retryable: bool = False) -> list[Matched]:
    """Return and lock receipts to look at now, oldest first, with the messages they speak of.

    `retryable`: those that say of a message that another carrier might still deliver it; else all others.
    """
    params = {"limit": limit, "retryable": retryable, "recent": ids.lowest(now - _RECENT)}
    return _matched(conn, _DUE, params)


def match(conn: Connection, receipts: Sequence[Receipt], now: datetime) -> list[Matched]:
    """Return receipts that are not kept yet, in their order, with the messages they speak of."""
    params = {
        "keys": [each.key for each in receipts],
        "carriers": [each.carrier for each in receipts],
        "carrier_refs": [each.carrier_ref for each in receipts],
        "refs": [each.ref for each in receipts],
        "verdicts": [str(each.verdict) for each in receipts],
        "codes": [each.code for each in receipts],
        "retryables": [each.retryable and each.verdict is Verdict.FAILED for each in receipts],
        "recent": ids.lowest(now - _RECENT),
    }
    return _matched(conn, _GIVEN, params)


def _matched(conn: Connection, statement: str, params: dict[str, Any]) -> list[Matched]:
    rows = conn.exec_driver_sql(statement, params)
    return [Matched(row[0], row[1], row[2], Verdict(row[3]), *row[4:]) for row in rows]


_CLOSE = "UPDATE receipts SET state = %(state)s, applied_at = now() WHERE id = ANY(%(ids)b)"


def close(conn: Connection, receipts: Sequence[UUID | str], state: ReceiptState) -> None:
    """Say what was done with receipts."""
    if receipts:
        conn.exec_driver_sql(_CLOSE, {"ids": list(receipts), "state": str(state)})


_POSTPONE = """
UPDATE receipts SET
    due_at = now() + least(greatest(now() - received_at, interval '1 second'), interval '10 minutes'),
    state = CASE WHEN received_at < now() - %(hours)s * interval '1 hour' THEN 'orphaned' ELSE state END
WHERE id = ANY(%(ids)b)
"""


def postpone(conn: Connection, receipts: Sequence[UUID | str], hours: float) -> None:
    """Look again later at receipts that nothing can be made of yet, ever more rarely; after so many hours never."""
    if receipts:
        conn.exec_driver_sql(_POSTPONE, {"ids": list(receipts), "hours": hours})
