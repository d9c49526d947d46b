"""Promote: queue the batches whose minute has come."""

from pipeline.runtime import Runtime
from pipeline.store import batches, ticks
from schema.message import Hint

#: batches one transaction promotes
PORTION = 2000


def promote(rt: Runtime) -> list[Hint]:
    """Queue due batches, scheduled or waiting for another round, up to a portion; return them.

    Fewer than a portion: nothing more is due. Of several clocks that strike at once, one promotes.
    """
    with rt.begin() as conn:
        return batches.promote(conn, PORTION) if ticks.is_mine(conn, "promote") else []
