"""Tend: make the coming days' partitions, forget old idempotency keys."""

from datetime import timedelta

from pipeline.runtime import Runtime
from pipeline.store import days, requests, ticks

#: days for which partitions are made ahead
AHEAD = 7


def tend(rt: Runtime) -> list[str]:
    """Do the house-keeping of an hour; return the names of the partitions that were made."""
    with rt.begin() as conn:
        if not ticks.is_mine(conn, "tend"):
            return []
        requests.prune(conn, rt.settings.idempotency_days)
        requests.forget_stumbles(conn, rt.settings.idempotency_days)
        today = rt.now().date()
        return days.prepare(conn, (today + timedelta(days=ahead) for ahead in range(-1, AHEAD + 1)))
