"""The parts table: parts of long messages, each with its own carrier_ref and receipt."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.lifecycle import outweighs
from pipeline.store.receipts import Matched, ReceiptKey
from schema.value_class import value_class
from schema.vocabulary import ReceiptVerdict

_WRITE = """
INSERT INTO parts (carrier, carrier_ref, message_id, n, part, of)
SELECT * FROM unnest(%(carriers)b::text[], %(refs)b::text[], %(messages)b::uuid[], %(n)b::int2[], %(parts)b::int2[],
                     %(of)b::int2[])
ON CONFLICT (carrier, carrier_ref) DO UPDATE
SET message_id = excluded.message_id, n = excluded.n, part = excluded.part, of = excluded.of, verdict = NULL,
    code = NULL, created_at = now()
"""


@value_class
class MultipartAttempt:
    """An attempt that was sent in parts."""

    carrier: str
    message: UUID
    n: int
    #: the parts' carrier_refs, in order
    refs: Sequence[str]


def write(conn: Connection, wholes: Iterable[MultipartAttempt]) -> None:
    """Insert the parts of attempts; a reference that a carrier reuses then belongs to the newest part."""
    rows = {
        (whole.carrier, ref): (whole.carrier, ref, whole.message, whole.n, place, len(whole.refs))
        for whole in wholes
        for place, ref in enumerate(whole.refs, 1)
    }
    if not rows:
        return
    columns = list(zip(*(rows[key] for key in sorted(rows)), strict=True))
    names = ("carriers", "refs", "messages", "n", "parts", "of")
    conn.exec_driver_sql(_WRITE, dict(zip(names, map(list, columns), strict=True)))


#: locks all parts of the messages: of two concurrent calls for the last two parts the second sees the first's
_LOCK = "SELECT FROM parts WHERE message_id = ANY(%(messages)b) ORDER BY carrier, carrier_ref FOR UPDATE"
_NOTE = """
UPDATE parts AS p SET verdict = r.verdict, code = r.code
FROM unnest(%(carriers)b::text[], %(refs)b::text[], %(verdicts)b::text[], %(codes)b::text[])
     AS r (carrier, carrier_ref, verdict, code)
WHERE p.carrier = r.carrier AND p.carrier_ref = r.carrier_ref
  AND (coalesce(p.verdict, 'pending') = 'pending' OR p.verdict = 'failed' AND r.verdict = 'delivered')
RETURNING p.carrier, p.carrier_ref, p.message_id, p.n
"""
_WHOLE = """
SELECT message_id, n, CASE WHEN bool_or(verdict = 'failed') THEN 'failed' ELSE 'delivered' END
FROM parts WHERE message_id = ANY(%(messages)b)
GROUP BY message_id, n
HAVING bool_or(verdict = 'failed') OR count(*) FILTER (WHERE verdict = 'delivered') = max(of)
"""


@dataclass(frozen=True, slots=True)
class JudgedParts:
    """The result of receipts of parts."""

    #: receipts that changed a part
    noted: set[ReceiptKey]
    #: (message, attempt number) → verdict of the whole message: failed if any part failed
    verdicts: dict[tuple[UUID, int], ReceiptVerdict]


def judge(conn: Connection, words: Iterable[Matched]) -> JudgedParts:
    """Apply receipts to parts, the one of highest precedence for each; return what follows for whole messages."""
    said = _weightiest(words)
    if not said:
        return JudgedParts(set(), {})
    chosen = [said[key] for key in sorted(said, key=str)]
    params = {
        "carriers": [each.carrier for each in chosen],
        "refs": [each.carrier_ref for each in chosen],
        "verdicts": [str(each.verdict) for each in chosen],
        "codes": [each.code for each in chosen],
        "messages": sorted({each.message for each in chosen if each.message}),
    }
    conn.exec_driver_sql(_LOCK, params)
    noted = conn.exec_driver_sql(_NOTE, params).all()
    touched = {(row[2], row[3]) for row in noted}
    wholes = conn.exec_driver_sql(_WHOLE, {"messages": sorted({message for message, _ in touched})}) if noted else ()
    return JudgedParts(
        {said[row[0], row[1]].receipt for row in noted},
        {(row[0], row[1]): ReceiptVerdict(row[2]) for row in wholes if (row[0], row[1]) in touched},
    )


def _weightiest(words: Iterable[Matched]) -> dict[tuple[str, str | None], Matched]:
    """Return (carrier, reference) → its receipt with the highest precedence."""
    said: dict[tuple[str, str | None], Matched] = {}
    for each in words:
        before = said.get((each.carrier, each.carrier_ref))
        if outweighs(each.verdict, before.verdict if before else None):
            said[each.carrier, each.carrier_ref] = each
    return said


_PRUNE = "DELETE FROM parts WHERE created_at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: int) -> None:
    """Delete parts older than `days` days: no receipt is expected any more."""
    conn.exec_driver_sql(_PRUNE, {"days": days})
