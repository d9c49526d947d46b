"""The parts table: parts of long messages, each with its own carrier_ref and receipt."""

from collections.abc import Collection, Iterable, Sequence
from uuid import UUID

from sqlalchemy import Connection

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


@value_class
class Part:
    """A part of a long message, locked."""

    carrier: str
    carrier_ref: str
    message: UUID
    #: the attempt's number
    n: int
    #: how many parts the message was sent in
    of: int
    #: of the receipts so far
    verdict: ReceiptVerdict | None


#: locks all parts of the messages: of two concurrent calls for the last two parts the second sees the first's
_LOCK = """
SELECT carrier, carrier_ref, message_id, n, of, verdict FROM parts
WHERE message_id = ANY(%(messages)b) ORDER BY carrier, carrier_ref FOR UPDATE
"""


def lock(conn: Connection, messages: Collection[UUID]) -> list[Part]:
    """Lock and return all parts of these messages."""
    if not messages:
        return []
    rows = conn.exec_driver_sql(_LOCK, {"messages": sorted(messages)})
    return [
        Part(carrier, carrier_ref, message, n, of, verdict and ReceiptVerdict(verdict))
        for carrier, carrier_ref, message, n, of, verdict in rows
    ]


_NOTE = """
UPDATE parts AS p SET verdict = r.verdict, code = r.code
FROM unnest(%(carriers)b::text[], %(refs)b::text[], %(verdicts)b::text[], %(codes)b::text[])
     AS r (carrier, carrier_ref, verdict, code)
WHERE p.carrier = r.carrier AND p.carrier_ref = r.carrier_ref
"""


def note(conn: Connection, words: Sequence[Matched]) -> None:
    """Write the verdicts and codes of receipts to their parts, which are locked."""
    if words:
        params = {
            "carriers": [each.carrier for each in words],
            "refs": [each.carrier_ref for each in words],
            "verdicts": [str(each.verdict) for each in words],
            "codes": [each.code for each in words],
        }
        conn.exec_driver_sql(_NOTE, params)


_PRUNE = "DELETE FROM parts WHERE created_at < now() - %(days)s * interval '1 day'"


def prune(conn: Connection, days: int) -> None:
    """Delete parts older than `days` days: no receipt is expected any more."""
    conn.exec_driver_sql(_PRUNE, {"days": days})
