"""Promote: queue the batches whose minute has come, and those whose hold is over."""

from pipeline.runtime import Runtime
from pipeline.store import advisory_locks, holds
from pipeline.transitions import paid_batches
from schema.message import Hint

#: batches one transaction promotes
PORTION = 2000


def promote(rt: Runtime) -> list[Hint]:
    """Queue due batches, scheduled or waiting for another round, up to a portion; return them.

    Batches whose hold is over (`holds.release`) go on from where they were held. Fewer than a portion: nothing more is
    due. Of several clocks that strike at once, one promotes.
    """
    with rt.begin() as conn:
        if not advisory_locks.is_mine(conn, "promote"):
            return []
        released = holds.release(conn, PORTION)
        return released + paid_batches.promote(conn, rt.now(), PORTION)
