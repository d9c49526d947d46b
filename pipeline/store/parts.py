"""The parts table: each part of a long message has a reference of its own, and a receipt of its own."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.attempts import Trial
from pipeline.store.receipts import Matched
from schema.vocabulary import Verdict

_WRITE = """
INSERT INTO parts (carrier, carrier_ref, message_id, n, part, of)
SELECT * FROM unnest(%(carriers)b::text[], %(refs)b::text[], %(messages)b::uuid[], %(n)b::int2[], %(parts)b::int2[],
                     %(of)b::int2[])
ON CONFLICT (carrier, carrier_ref) DO UPDATE
SET message_id = excluded.message_id, n = excluded.n, part = excluded.part, of = excluded.of, verdict = NULL,
    code = NULL, created_at = now()
"""


def write(conn: Connection, trials: Sequence[Trial]) -> None:
    """Write the parts that attempts were made in; a reference that its carrier gives out anew means the newest."""
    rows = {
        (trial.carrier, ref): (trial.carrier, ref, trial.attempt.ref, trial.n, place, len(trial.attempt.parts))
        for trial in trials
        for place, ref in enumerate(trial.attempt.parts, 1)
    }
    if not rows:
        return
    columns = list(zip(*(rows[key] for key in sorted(rows)), strict=True))
    names = ("carriers", "refs", "messages", "n", "parts", "of")
    conn.exec_driver_sql(_WRITE, dict(zip(names, map(list, columns), strict=True)))


_LOCK = """
SELECT FROM parts
WHERE (carrier, carrier_ref) IN (SELECT * FROM unnest(%(carriers)b::text[], %(refs)b::text[]))
   OR message_id IN (SELECT message_id FROM parts WHERE (carrier, carrier_ref) IN (
          SELECT * FROM unnest(%(carriers)b::text[], %(refs)b::text[])))
ORDER BY carrier, carrier_ref FOR UPDATE
"""
_NOTE = """
UPDATE parts AS p SET verdict = r.verdict, code = r.code
FROM unnest(%(carriers)b::text[], %(refs)b::text[], %(verdicts)b::text[], %(codes)b::text[])
     AS r (carrier, carrier_ref, verdict, code)
WHERE p.carrier = r.carrier AND p.carrier_ref = r.carrier_ref AND coalesce(p.verdict, 'pending') = 'pending'
RETURNING p.message_id
"""
_WHOLE = """
SELECT message_id, CASE WHEN bool_or(verdict = 'failed') THEN 'failed' ELSE 'delivered' END
FROM parts WHERE message_id = ANY(%(messages)b)
GROUP BY message_id, n
HAVING bool_or(verdict = 'failed') OR count(*) FILTER (WHERE verdict = 'delivered') = max(of)
"""


def judge(conn: Connection, words: Sequence[Matched]) -> dict[UUID, Verdict]:
    """Note what receipts say of parts; return the messages of which that says all: failed if one part did."""
    if not words:
        return {}
    params = {
        "carriers": [each.carrier for each in words],
        "refs": [each.carrier_ref for each in words],
        "verdicts": [str(each.verdict) for each in words],
        "codes": [each.code for each in words],
    }
    conn.exec_driver_sql(_LOCK, params)
    noted = sorted({id_ for (id_,) in conn.exec_driver_sql(_NOTE, params)})
    return {id_: Verdict(word) for id_, word in conn.exec_driver_sql(_WHOLE, {"messages": noted})}


_PRUNE = "DELETE FROM parts WHERE created_at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: int) -> None:
    """Forget parts so many days old: no receipt comes any more."""
    conn.exec_driver_sql(_PRUNE, {"days": days})
