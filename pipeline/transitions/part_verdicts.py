"""Verdicts of the parts of long messages: what receipts change, and what follows for the whole messages."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from pipeline.rules.lifecycle import outweighs, verdict_of_parts
from pipeline.runtime import Connection
from pipeline.store import message_parts
from pipeline.store.receipts import Matched, ReceiptKey
from schema.vocabulary import ReceiptVerdict


@dataclass(frozen=True, slots=True)
class JudgedParts:
    """The result of receipts of parts."""

    #: receipts that changed a part
    noted: set[ReceiptKey]
    #: (message, attempt number) → verdict of the whole message
    verdicts: dict[tuple[UUID, int], ReceiptVerdict]


def judge(conn: Connection, words: Iterable[Matched]) -> JudgedParts:
    """Apply receipts to parts, the one of highest precedence for each; return what follows for whole messages."""
    said = _of_highest_precedence(words)
    parts = message_parts.lock(conn, {each.message for each in said.values() if each.message})
    noted: list[Matched] = []
    touched: set[tuple[UUID, int]] = set()
    verdicts: defaultdict[tuple[UUID, int], list[ReceiptVerdict | None]] = defaultdict(list)
    for part in parts:
        word, verdict, whole = said.get((part.carrier, part.carrier_ref)), part.verdict, (part.message, part.n)
        if word and outweighs(word.verdict, verdict):
            noted.append(word)
            touched.add(whole)
            verdict = word.verdict
        verdicts[whole].append(verdict)
    message_parts.note(conn, noted)
    sizes = {(part.message, part.n): part.of for part in parts}
    wholes = ((whole, verdict_of_parts(verdicts[whole], sizes[whole])) for whole in touched)
    return JudgedParts({each.receipt for each in noted}, {whole: verdict for whole, verdict in wholes if verdict})


def _of_highest_precedence(words: Iterable[Matched]) -> dict[tuple[str, str | None], Matched]:
    """Return (carrier, reference) → its receipt with the highest precedence."""
    said: dict[tuple[str, str | None], Matched] = {}
    for each in words:
        before = said.get((each.carrier, each.carrier_ref))
        if outweighs(each.verdict, before.verdict if before else None):
            said[each.carrier, each.carrier_ref] = each
    return said
