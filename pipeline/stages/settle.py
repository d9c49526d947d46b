"""Settle: apply delivery receipts (DLR) to their messages, with the same result in any order of arrival.

`delivered` of any carrier outweighs any `failed`, earlier or later (`lifecycle.outweighs`).
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from uuid import UUID

from pipeline.rules.lifecycle import outweighs
from pipeline.runtime import Connection, Runtime
from pipeline.store import messages, receipts, wallet_ledger
from pipeline.store.receipt_id_matching import match_spellings
from pipeline.store.receipts import Matched, ReceiptKey
from pipeline.transitions import final_statuses, part_verdicts
from pipeline.transitions.part_verdicts import JudgedParts
from schema.carriage import Receipt
from schema.vocabulary import Code, ReceiptState, ReceiptVerdict

#: receipts settled in one transaction
PORTION = 1000
#: (message, number of the attempt)
_Try = tuple[UUID | None, int | None]


def settle(rt: Runtime) -> int:
    """Apply stored receipts, up to a portion; return how many were processed.

    Failures that another carrier might still deliver are left to `resend`.
    """
    with rt.begin() as conn:
        found = receipts.due(conn, PORTION, rt.now())
        known = [each for each in found if not each.waits]
        done = _apply(rt, conn, known)
        respelt = match_spellings(conn, [each.receipt for each in found if each.message is None], rt.now())
        waiting = [each.receipt for each in found if each.waits and each.receipt not in respelt]
        receipts.postpone(conn, waiting, rt.settings.orphan_hours)
        receipts.close(conn, done.applied, ReceiptState.APPLIED)
        receipts.close(conn, {each.receipt for each in known} - done.applied - done.early, ReceiptState.IGNORED)
    return len(found)


def settle_on_arrival(rt: Runtime, reports: Sequence[Receipt]) -> int:
    """Store and apply receipts on arrival, in one transaction; return how many were new.

    Those that match no message yet are stored as waiting, and so are those for `resend`. A duplicate changes nothing:
    if the first one still waits, `settle` processes that next.
    """
    with rt.begin() as conn:
        found = receipts.match(conn, reports, rt.now())
        known = [each for each in found if not each.waits and not (each.retryable and each.is_latest)]
        new = receipts.keep(conn, rt.new_ids(), reports, states={each.receipt: _expected(each) for each in known})
        receipts.wake(conn, [each for each in reports if (each.carrier, each.key) not in new])
        first = [each for each in known if each.receipt in new]
        done = _apply(rt, conn, first)
        unmoved = {each.receipt for each in first if _expected(each) is ReceiptState.APPLIED} - done.applied
        receipts.close(conn, [new[key] for key in unmoved - done.early], ReceiptState.IGNORED)
        receipts.close(conn, [new[key] for key in unmoved & done.early], ReceiptState.WAITING)
        return len(new)


def _expected(word: Matched) -> ReceiptState:
    """Return the state that a receipt gets in nearly all cases."""
    return ReceiptState.IGNORED if word.verdict is ReceiptVerdict.PENDING else ReceiptState.APPLIED


@dataclass(frozen=True, slots=True)
class _Done:
    """Result of applying receipts."""

    applied: set[ReceiptKey]
    #: the resend of their messages began meanwhile: to be processed again
    early: set[ReceiptKey]


def _apply(rt: Runtime, conn: Connection, words: Sequence[Matched]) -> _Done:
    """Change the status of the receipts' messages; return the applied receipts."""
    final = [each for each in words if each.verdict is not ReceiptVerdict.PENDING]
    said, first = _of_wholes(final)
    of_parts = [each for each in final if each.is_part]
    judged = part_verdicts.judge(conn, of_parts)
    for message, verdict in _of_parts(judged, of_parts):
        if outweighs(verdict, said.get(message)):
            said[message] = verdict
            first.pop(message, None)
    if not said:
        return _Done(judged.noted, set())
    held = messages.lock_sent(conn, sorted(said))
    early, overtaken = _since(conn, said, {(each.message, each.n) for each in final if each.is_latest})
    moved = _conclude(rt, conn, {message: said[message] for message in said.keys() - early - overtaken}, held)
    return _Done(judged.noted | _receipts_of(first, moved), _receipts_of(first, early))


def _receipts_of(first: Mapping[UUID, ReceiptKey], messages: Container[UUID]) -> set[ReceiptKey]:
    return {receipt for message, receipt in first.items() if message in messages}


def _of_wholes(words: Iterable[Matched]) -> tuple[dict[UUID, ReceiptVerdict], dict[UUID, ReceiptKey]]:
    """Return for each message the final verdict that outweighs the others, and its receipt; parts are omitted."""
    said: dict[UUID, ReceiptVerdict] = {}
    first: dict[UUID, ReceiptKey] = {}
    for each in words:
        counts = not each.is_part and (each.verdict is ReceiptVerdict.DELIVERED or each.is_latest)
        if counts and each.message and outweighs(each.verdict, said.get(each.message)):
            said[each.message] = each.verdict
            first[each.message] = each.receipt
    return said, first


def _of_parts(judged: JudgedParts, words: Iterable[Matched]) -> Iterator[tuple[UUID, ReceiptVerdict]]:
    """Yield each message whose parts' receipts together make a final verdict, with that verdict."""
    latest = {(each.message, each.n) for each in words if each.is_latest}
    for (message, n), verdict in judged.verdicts.items():
        if verdict is ReceiptVerdict.DELIVERED or (message, n) in latest:
            yield message, verdict


def _since(
    conn: Connection, said: Mapping[UUID, ReceiptVerdict], tries: Container[_Try]
) -> tuple[set[UUID], set[UUID]]:
    """Return, of locked messages whose receipts say failed, those whose resend began since they were matched, and those
    that another carrier accepted since."""
    state = receipts.standing(conn, [message for message, verdict in said.items() if verdict is ReceiptVerdict.FAILED])
    early = {message for message, (is_early, _) in state.items() if is_early}
    return early, {message for message, (_, n) in state.items() if message not in early and (message, n) not in tries}


def _conclude(rt: Runtime, conn: Connection, said: dict[UUID, ReceiptVerdict], held: Set[UUID]) -> set[UUID]:
    """Set locked messages to their receipts' verdicts and move the money of unknown ones; return those changed."""
    now = rt.now()
    delivered = sorted(message for message, verdict in said.items() if verdict is ReceiptVerdict.DELIVERED)
    failed = sorted(message for message, verdict in said.items() if verdict is ReceiptVerdict.FAILED)
    moved = final_statuses.deliver(conn, now, delivered, held)
    undelivered = final_statuses.fail_sent(conn, now, failed, Code.UNDELIVERED, held)
    wallet_ledger.release(conn, undelivered.released, now)
    return moved | undelivered.ids
