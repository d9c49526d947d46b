"""Promote: queue the scheduled and waiting batches that are due, and those whose hold is over."""

from pipeline.runtime import Runtime
from pipeline.store import advisory_locks, held_batches
from pipeline.transitions import paid_batches
from schema.message import Hint

#: maximum number of batches promoted in one transaction
PORTION = 2000


def promote(rt: Runtime) -> list[Hint]:
    """Queue due batches, scheduled or waiting for another round, up to a portion; return their hints.

    Batches whose hold is over (`held_batches.release`) continue where they were held. Fewer than a portion: no more are
    due. Of several concurrent calls, one promotes (advisory lock).
    """
    with rt.begin() as conn:
        if not advisory_locks.is_mine(conn, "promote"):
            return []
        released = held_batches.release(conn, PORTION)
        return released + paid_batches.promote(conn, rt.now(), PORTION)
