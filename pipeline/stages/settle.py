"""Settle: apply delivery receipts to the messages they speak of; status moves only forward."""

from collections.abc import Sequence
from uuid import UUID

from pipeline.runtime import Connection, Runtime
from pipeline.store import accounts, events, ledger, messages, parts, receipts
from pipeline.store.receipts import Matched
from schema.carriage import Receipt
from schema.vocabulary import Code, Money, ReceiptState, Status, Verdict

#: receipts one transaction settles
PORTION = 1000


def settle(rt: Runtime) -> int:
    """Apply kept receipts, up to a portion; return how many were looked at.

    What another carrier might still deliver is left to `retake`.
    """
    with rt.begin() as conn:
        found = receipts.due(conn, PORTION, rt.now())
        applied = _apply(rt, conn, found)
        receipts.postpone(conn, [each.receipt for each in found if each.message is None], rt.settings.orphan_hours)
        known = [each.receipt for each in found if each.message is not None]
        receipts.close(conn, [each for each in known if each in applied], ReceiptState.APPLIED)
        receipts.close(conn, [each for each in known if each not in applied], ReceiptState.IGNORED)
    return len(found)


def book(rt: Runtime, reports: Sequence[Receipt]) -> int:
    """Keep and apply receipts as they come, all in one transaction; return how many were new.

    Those whose attempt is not known yet wait for it, and those that `retake` looks at for that.
    """
    with rt.begin() as conn:
        found = receipts.match(conn, reports, rt.now())
        waits = {each.receipt for each in found if each.message is None or (each.retryable and each.is_latest)}
        applied = _apply(rt, conn, [each for each in found if each.receipt not in waits])
        states = {
            str(each.receipt): ReceiptState.APPLIED if each.receipt in applied else ReceiptState.IGNORED
            for each in found
            if each.receipt not in waits
        }
        return receipts.keep(conn, rt.mint(), reports, states=states)


def _apply(rt: Runtime, conn: Connection, words: Sequence[Matched]) -> set[UUID | str]:
    """Move the messages that receipts speak of; return the receipts that did something."""
    final = [each for each in words if each.message is not None and each.verdict is not Verdict.PENDING]
    of_parts = [each for each in final if each.is_part]
    said: dict[UUID, Verdict] = {}
    for each in final:
        if not each.is_part and (each.verdict is Verdict.DELIVERED or each.is_latest):
            assert each.message is not None
            said.setdefault(each.message, each.verdict)  # the first final word stays
    latest = {each.message for each in of_parts if each.is_latest}
    for message, verdict in parts.judge(conn, of_parts).items():
        if verdict is Verdict.DELIVERED or message in latest:
            said.setdefault(message, verdict)
    moved = _conclude(rt, conn, said) if said else set()
    first = {
        each.message: each.receipt
        for each in reversed(final)
        if each.message and each.verdict is said.get(each.message)
    }
    return {each.receipt for each in of_parts} | {first[message] for message in moved if message in first}


def _conclude(rt: Runtime, conn: Connection, said: dict[UUID, Verdict]) -> set[UUID]:
    """Move sent messages to what their receipts say, and the money of those that were in doubt; return the moved."""
    delivered = sorted(message for message, verdict in said.items() if verdict is Verdict.DELIVERED)
    failed = sorted(message for message, verdict in said.items() if verdict is Verdict.FAILED)
    messages.lock_sent(conn, delivered + failed)
    ledger.capture(conn, messages.end_doubt(conn, delivered, Money.CAPTURED))
    released = messages.end_doubt(conn, failed, Money.RELEASED)
    moved = set()
    for ids, status, code in ((delivered, Status.DELIVERED, None), (failed, Status.FAILED, Code.UNDELIVERED)):
        these = messages.conclude(conn, ids, status, code)
        if these and accounts.listen(conn):
            events.tell_all(conn, rt.mint(), sorted(these), status, rt.now())
        moved |= these
    ledger.release(conn, released)
    return moved
