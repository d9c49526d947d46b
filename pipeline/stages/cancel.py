"""Cancel scheduled messages whose batch is not queued yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import audit_log, batches, messages, wallet_ledger
from pipeline.transitions import final_statuses

#: ids of cancelled messages in an entry of the audit log
_NOTED = 100


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
    """Cancel scheduled messages of an account (None: of any) and release their money; return what was cancelled.

    The batches' rows are locked first, so that none is promoted concurrently.
    """
    with rt.begin() as conn:
        found = messages.batches_of(conn, wanted, account)
        waiting = batches.lock_scheduled(conn, list(set(found.values())))
        cancelled = messages.standing(conn, wanted, list(waiting))
        now = rt.now()
        released = final_statuses.cancel(conn, now, cancelled)
        if cancelled:
            noted = {"cancelled": len(cancelled), "messages": list(map(str, cancelled[:_NOTED]))}
            audit_log.note(conn, "messages", str(cancelled[0]), "cancel", noted, account)
        wallet_ledger.release(conn, released, now)
    done = set(cancelled)
    return Cancelled(done, set(found) - done, set(wanted) - set(found))
