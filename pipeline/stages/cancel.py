"""Cancel: take messages back that still wait for their minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store import batches, ledger, messages
from pipeline.transitions import message_ends


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of each message that was to be taken back."""

    #: taken back now
    cancelled: set[UUID]
    #: no longer, or never, waiting: too late
    too_late: set[UUID]
    #: the account has no such message
    unknown: set[UUID]


def cancel(rt: Runtime, account: int | None, wanted: Sequence[UUID]) -> Cancelled:
    """Cancel an account's (None: anybody's) scheduled messages and give their money back.

    The batch's row is locked first: promotion comes before or after, never in between.
    """
    with rt.begin() as conn:
        found = messages.batches_of(conn, wanted, account)
        waiting = batches.lock_scheduled(conn, list(set(found.values())))
        cancelled = messages.standing(conn, wanted, list(waiting))
        now = rt.now()
        ledger.release(conn, message_ends.cancel(conn, now, cancelled), now)
    done = set(cancelled)
    return Cancelled(done, set(found) - done, set(wanted) - set(found))
