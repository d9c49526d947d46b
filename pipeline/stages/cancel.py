"""Cancel scheduled messages whose batch is not queued yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import batches, ledger, messages
from pipeline.transitions import final_statuses


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
        ledger.release(conn, final_statuses.cancel(conn, now, cancelled), now)
    done = set(cancelled)
    return Cancelled(done, set(found) - done, set(wanted) - set(found))
