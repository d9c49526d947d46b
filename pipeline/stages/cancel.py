"""Cancel scheduled messages whose batch is not queued yet: some, or the next of a message job."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Connection, Runtime
from pipeline.store import audit_log, batches, message_jobs, messages, wallet_ledger
from pipeline.store.wallet_ledger import Moved
from pipeline.transitions import final_statuses
from schema.vocabulary import MessageJobResult, MessageOperation

#: ids of cancelled messages in an entry of the audit log
_NOTED = 100
#: messages of a job that one transaction cancels
PORTION = 500


@dataclass(frozen=True, slots=True)
class Cancelled:
    """Result of cancelling, by message."""

    #: cancelled now
    cancelled: set[UUID]
    #: no longer scheduled, or never were
    too_late: set[UUID]
    #: the account has no such message
    unknown: set[UUID]


def cancel(rt: Runtime, account: int | None, wanted: Sequence[UUID]) -> Cancelled:
    """Cancel scheduled messages of an account (None: of any) and release their money; return what was cancelled."""
    with rt.begin() as conn:
        done, released = _cancel(rt, conn, account, wanted)
        if done.cancelled:
            ordered = sorted(map(str, done.cancelled))
            noted = {"cancelled": len(ordered), "messages": ordered[:_NOTED]}
            audit_log.note(conn, "messages", ordered[0], "cancel", noted, account)
        wallet_ledger.release(conn, released, rt.now())
    return done


def cancel_portion(rt: Runtime) -> int:
    """Cancel the next messages of a message job, and store what became of each; return how many there were.

    Both in one transaction: if it fails nothing has happened. The job's own entry in the audit log stands for all.
    """
    with rt.begin() as conn:
        portion = message_jobs.take(conn, MessageOperation.CANCEL, PORTION)
        if portion is None:
            return 0
        done, released = _cancel(rt, conn, portion.account, portion.messages)
        results = dict.fromkeys(done.cancelled, MessageJobResult.CANCELLED)
        results |= dict.fromkeys(done.too_late, MessageJobResult.TOO_LATE)
        results |= dict.fromkeys(done.unknown, MessageJobResult.GONE)
        message_jobs.record(conn, portion, results, rt.now())
        wallet_ledger.release(conn, released, rt.now())
    return len(portion.messages)


def _cancel(
    rt: Runtime, conn: Connection, account: int | None, wanted: Sequence[UUID]
) -> tuple[Cancelled, list[Moved]]:
    """Cancel messages; return what was cancelled, and the money to release.

    The batches' rows are locked first, so that none is promoted concurrently.
    """
    found = messages.batches_of(conn, wanted, account)
    waiting = batches.lock_scheduled(conn, list(set(found.values())))
    cancelled = messages.standing(conn, list(found), list(waiting))
    released = final_statuses.cancel(conn, rt.now(), cancelled)
    done = set(cancelled)
    return Cancelled(done, set(found) - done, set(wanted) - set(found)), released
