"""The parts table: each part of a long message has a reference of its own, and a receipt of its own."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.lifecycle import outweighs
from pipeline.store.receipts import Matched
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
    """One attempt that was made in parts."""

    carrier: str
    message: UUID
    n: int
    #: the parts' references, in order
    refs: Sequence[str]


def write(conn: Connection, wholes: Iterable[MultipartAttempt]) -> None:
    """Write the parts that attempts were made in; a reference that its carrier gives out anew means the newest."""
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


#: all parts of the messages, so that of two who note the last two parts the second sees what the first noted
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
    """What receipts of parts say."""

    #: receipts that said something new
    noted: set[UUID | str]
    #: (message, which attempt) of which all is known → failed if one part did
    verdicts: dict[tuple[UUID, int], ReceiptVerdict]


def judge(conn: Connection, words: Iterable[Matched]) -> JudgedParts:
    """Note what receipts say of parts, of each what counts most; return what follows for the whole messages."""
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
    """Return for each carrier and reference the receipt that counts most."""
    said: dict[tuple[str, str | None], Matched] = {}
    for each in words:
        before = said.get((each.carrier, each.carrier_ref))
        if outweighs(each.verdict, before.verdict if before else None):
            said[each.carrier, each.carrier_ref] = each
    return said


_PRUNE = "DELETE FROM parts WHERE created_at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: int) -> None:
    """Forget parts so many days old: no receipt comes any more."""
    conn.exec_driver_sql(_PRUNE, {"days": days})
