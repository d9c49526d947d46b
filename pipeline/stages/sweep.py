"""Sweep: mend what a death, a lost hint or a silence left behind. Safe to run twice and by several at once."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.runtime import Connection, Runtime
from pipeline.store import advisory_locks, attempts, batches, leases, ledger
from pipeline.store.ledger import Moved
from pipeline.transitions import attempt_results, message_ends, poison_batches
from schema.message import Hint
from schema.vocabulary import BatchStatus, Code

#: batches or messages one sweep takes on of each kind
PORTION = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """What should be hinted again."""

    admitted: list[Hint]
    queued: list[Hint]


def sweep(rt: Runtime) -> Swept:
    """Take back batches of silent workers, find those nobody was told of, end what stayed in doubt too long."""
    with rt.begin() as conn:
        if not advisory_locks.is_mine(conn, "sweep"):
            return Swept([], [])
        now = rt.now()
        requeued, released = _take_back(rt, conn, now)
        poison_batches.park_admitted(conn, now, rt.settings.poison_claims, PORTION)
        admitted = batches.stale(conn, BatchStatus.ADMITTED, rt.settings.stale_seconds, PORTION)
        queued = batches.stale(conn, BatchStatus.QUEUED, rt.settings.stale_seconds, PORTION)
        ledger.release(conn, released + _end_unknown(rt, conn, now), now)
    return Swept(admitted, requeued + queued)


def _take_back(rt: Runtime, conn: Connection, now: datetime) -> tuple[list[Hint], list[Moved]]:
    """Write down what lost workers left in doubt and queue the rest; park what keeps killing them."""
    lost = leases.lost(conn, PORTION)
    attempts.doubt(conn, [each for each in lost if each.again])
    doubtful = attempts.doubt(conn, [each for each in lost if not each.again])
    attempt_results.leave_unknown(conn, now, doubtful)
    poison = [each for each in lost if each.in_hand and each.claims >= rt.settings.poison_claims]
    released = poison_batches.park(conn, now, poison)
    return leases.requeue(conn, [each.span.batch for each in lost]), released


def _end_unknown(rt: Runtime, conn: Connection, now: datetime) -> list[Moved]:
    """Fail messages whose unknown attempt nobody cleared up in time, in the customer's favour."""
    doubtful = attempts.unresolved(conn, rt.settings.doubt_hours, PORTION)
    released: list[Moved] = []
    for code, was_undelivered in ((Code.UNDELIVERED, True), (Code.UNRESOLVED, False)):
        these = [id_ for id_, undelivered in doubtful.items() if undelivered is was_undelivered]
        released += message_ends.fail_sent(conn, now, these, code).released
    return released
