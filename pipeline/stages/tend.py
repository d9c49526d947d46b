"""Tend: make the coming days' partitions; forget old keys, codes, webhook calls, moves, handsets, dead letters."""

from datetime import timedelta

from pipeline.runtime import Runtime, Work
from pipeline.store import binds, days, dead_letters, events, parts, requests, ticks
from pipeline.store.consent import inbound
from pipeline.store.doors import challenges, deliveries, endpoints

#: days for which partitions are made ahead
AHEAD = 7
#: days a challenge is kept: longer than its message can be in doubt, for whose callback it knows the address
CHALLENGE_DAYS = 7

#: days for which a receipt may speak of one part of a long message
PART_DAYS = 14
#: days for which it is known how a carrier's binds stood on a host whose process is gone
BIND_DAYS = 7


def tend(rt: Runtime) -> list[str]:
    """Do the house-keeping of an hour; return the names of the partitions that were made."""
    with rt.begin(Work.MAINTENANCE) as conn:
        if not ticks.is_mine(conn, "tend"):
            return []
        requests.prune(conn, rt.settings.idempotency_days)
        requests.forget_stumbles(conn, rt.settings.idempotency_days)
        challenges.prune(conn, CHALLENGE_DAYS)
        parts.prune(conn, PART_DAYS)
        binds.prune(conn, BIND_DAYS)
        endpoints.follow_all(conn)
        deliveries.prune(conn, rt.settings.webhook_days)
        events.prune(conn, rt.now() - timedelta(days=rt.settings.webhook_days))
        dead_letters.prune(conn, rt.now() - timedelta(days=rt.settings.dead_letter_days))
        inbound.prune(conn, rt.now() - timedelta(days=rt.settings.inbound_days))
        today = rt.now().date()
        return days.prepare(conn, (today + timedelta(days=ahead) for ahead in range(-1, AHEAD + 1)))
