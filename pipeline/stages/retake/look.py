"""One look at all that may have to be sent once more."""

from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Connection, Runtime
from pipeline.stages.retake import doubts
from pipeline.stages.retake.resend import resend
from pipeline.store import events, ledger, messages, parts, receipts, sent, ticks
from schema.message import Hint
from schema.vocabulary import Again, Code, Money, ReceiptState, Status

#: receipts, and batches, one look takes on
PORTION = 500


@dataclass(frozen=True, slots=True)
class Retaken:
    """What should be done next."""

    #: batches to deliver
    hints: list[Hint]
    #: carrier → messages to ask it about
    asks: dict[str, list[UUID]]


def retake(rt: Runtime) -> Retaken:
    """Look at doubts, at what carriers could not deliver, and at what they are silent about; make new batches."""
    with rt.begin() as conn:
        if not ticks.is_mine(conn, "retake"):
            return Retaken([], {})
        looked = doubts.look(rt, conn)
        hints = looked.hints + _silences(rt, conn) + _failures(rt, conn)
    return Retaken(hints, looked.asks)


def _failures(rt: Runtime, conn: Connection) -> list[Hint]:
    """Send once more what a carrier could not deliver and another might; fail the rest."""
    found = receipts.due(conn, PORTION, rt.now(), retryable=True)
    if not found:
        return []
    receipts.postpone(conn, [each.receipt for each in found if each.message is None], rt.settings.orphan_hours)
    parts.judge(conn, [each for each in found if each.is_part])
    known = [each for each in found if each.message is not None]
    those = sent.of(conn, sorted({each.message for each in known if each.message and each.is_latest}))
    resent = resend(rt, conn, those, Again.UNDELIVERED)
    over = [each.id for each in resent.left]
    released = messages.end_doubt(conn, over, Money.RELEASED)
    failed = messages.conclude(conn, over, Status.FAILED, Code.UNDELIVERED)
    events.tell_all(conn, rt.mint(), sorted(failed), Status.FAILED, rt.now())
    touched = {each.id for each in those}
    receipts.close(conn, [each.receipt for each in known if each.message in touched], ReceiptState.APPLIED)
    receipts.close(conn, [each.receipt for each in known if each.message not in touched], ReceiptState.IGNORED)
    ledger.release(conn, released)
    return resent.hints


def _silences(rt: Runtime, conn: Connection) -> list[Hint]:
    """Send once more what a carrier should have reported by now; of codes that go nowhere keep the length only."""
    silent, looked_at = sent.unwatched(conn, PORTION)
    hints = resend(rt, conn, sent.of(conn, sorted(sent.unheard(conn, silent))), Again.SILENCE).hints
    sent.blot(conn, looked_at)
    return hints
