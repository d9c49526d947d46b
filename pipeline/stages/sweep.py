"""Sweep: release expired leases, hint stale batches again, end unresolved attempts. Idempotent and concurrent-safe."""

from dataclasses import dataclass
from datetime import datetime

from pipeline.runtime import Connection, Runtime
from pipeline.store import advisory_locks, attempts, batch_claims, batches, wallet_ledger
from pipeline.store.wallet_ledger import Moved
from pipeline.transitions import attempt_results, final_statuses, poison_batches
from schema.message import Hint
from schema.vocabulary import BatchStatus, Code

#: maximum number of batches or messages of each kind in one sweep
PORTION = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """Batches to hint again."""

    admitted: list[Hint]
    queued: list[Hint]


def sweep(rt: Runtime) -> Swept:
    """Requeue batches with expired leases, find unclaimed ones, end messages unknown for too long; return hints."""
    with rt.begin() as conn:
        if not advisory_locks.is_mine(conn, "sweep"):
            return Swept([], [])
        now = rt.now()
        requeued, released = _release_leases(rt, conn, now)
        poison_batches.park_admitted(conn, now, rt.settings.poison_claims, PORTION)
        admitted = batches.stale(conn, BatchStatus.ADMITTED, rt.settings.stale_seconds, PORTION)
        queued = batches.stale(conn, BatchStatus.QUEUED, rt.settings.stale_seconds, PORTION)
        wallet_ledger.release(conn, released + _end_unknown(rt, conn, now), now)
    return Swept(admitted, requeued + queued)


def _release_leases(rt: Runtime, conn: Connection, now: datetime) -> tuple[list[Hint], list[Moved]]:
    """Record the attempts of lost workers as unknown, requeue the rest, park poison batches; return hints and money."""
    lost = batch_claims.lost(conn, PORTION)
    attempts.write_unknown(conn, [each for each in lost if each.resend_reason])
    doubtful = attempts.write_unknown(conn, [each for each in lost if not each.resend_reason])
    attempt_results.leave_unknown(conn, now, doubtful)
    poison = [each for each in lost if each.in_hand and each.claims >= rt.settings.poison_claims]
    released = poison_batches.park(conn, now, poison)
    return batch_claims.requeue(conn, [each.span.batch for each in lost]), released


def _end_unknown(rt: Runtime, conn: Connection, now: datetime) -> list[Moved]:
    """Fail messages whose unknown attempts were not resolved in time; return the money to release to the customer."""
    doubtful = attempts.unresolved(conn, rt.settings.doubt_hours, PORTION)
    released: list[Moved] = []
    for code, was_undelivered in ((Code.UNDELIVERED, True), (Code.UNRESOLVED, False)):
        these = [id_ for id_, undelivered in doubtful.items() if undelivered is was_undelivered]
        released += final_statuses.fail_sent(conn, now, these, code).released
    return released
