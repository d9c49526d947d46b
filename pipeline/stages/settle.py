"""Settle: apply kept delivery receipts to the messages they speak of; status moves only forward."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from pipeline.runtime import Connection, Runtime
from pipeline.store import events, ledger, messages, receipts
from pipeline.store.receipts import Matched
from schema.vocabulary import Code, Money, ReceiptState, Status, Verdict

#: receipts one transaction settles
PORTION = 1000


def settle(rt: Runtime) -> int:
    """Apply kept receipts, up to a portion; return how many were looked at."""
    with rt.begin() as conn:
        found = receipts.due(conn, PORTION)
        known = [each for each in found if each.message is not None]
        receipts.postpone(conn, [each.receipt for each in found if each.message is None], rt.settings.orphan_hours)
        last_words = _first_of_each(each for each in known if each.verdict is not Verdict.PENDING)
        moved = _conclude(rt, conn, last_words)
        applied = [word.receipt for word in last_words if word.message in moved]
        receipts.close(conn, applied, ReceiptState.APPLIED)
        done = set(applied)
        receipts.close(conn, [each.receipt for each in known if each.receipt not in done], ReceiptState.IGNORED)
    return len(found)


def _first_of_each(words: Iterable[Matched]) -> list[Matched]:
    """Return the first final word about each message: what comes after it changes nothing."""
    first: dict[UUID | None, Matched] = {}
    for word in words:
        first.setdefault(word.message, word)
    return list(first.values())


def _conclude(rt: Runtime, conn: Connection, words: Sequence[Matched]) -> set[UUID]:
    """Move sent messages to what their receipts say, and the money of those that were in doubt; return the moved."""
    delivered = sorted(word.message for word in words if word.message and word.verdict is Verdict.DELIVERED)
    failed = sorted(word.message for word in words if word.message and word.verdict is Verdict.FAILED)
    messages.lock_sent(conn, delivered + failed)
    ledger.capture(conn, messages.end_doubt(conn, delivered, Money.CAPTURED))
    released = messages.end_doubt(conn, failed, Money.RELEASED)
    moved = set()
    for ids, status, code in ((delivered, Status.DELIVERED, None), (failed, Status.FAILED, Code.UNDELIVERED)):
        these = messages.conclude(conn, ids, status, code)
        events.tell_all(conn, rt.mint(), sorted(these), status, rt.now())
        moved |= these
    ledger.release(conn, released)
    return moved
