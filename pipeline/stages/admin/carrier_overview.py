"""Overview of carriers: state, binds, what waits for them, and the last hour, from sums and partial indexes alone."""

from collections import Counter
from dataclasses import dataclass
from datetime import timedelta

from pipeline.runtime import Runtime
from pipeline.store import carrier_binds, carriers, circuit_breakers, due_messages, recent_traffic
from pipeline.store.recent_traffic import RecentTraffic
from schema.vocabulary import CarrierState

#: the period of the messages delivered and not
_PERIOD = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CarrierOverview:
    """One carrier on the overview."""

    name: str
    state: CarrierState
    #: why it is drained
    reason: str | None
    #: whether any of its breakers is open; False while Valkey does not answer
    is_unhealthy: bool
    #: binds that are up, and that should be, by processes that run; None: it has none
    binds: tuple[int, int] | None
    #: due messages that have no status of their own yet
    due: int
    #: of the last hour, and segments of the last full minute
    traffic: RecentTraffic


def carrier_overview(rt: Runtime) -> list[CarrierOverview]:
    """Return every carrier; the cost does not depend on how much they carry. The last seconds may be missing."""
    now = rt.now()
    minute = (now - timedelta(seconds=10)).replace(second=0, microsecond=0) - timedelta(minutes=1)
    broken = {each.word.partition("/")[0] for each in circuit_breakers.open_states(rt.valkey) or ()}
    due: Counter[str] = Counter()
    with rt.read_only() as conn:
        for each in due_messages.due(conn, now):
            due[each.carrier] += each.messages
        did = recent_traffic.by_carrier(conn, now - _PERIOD, minute)
        reports = carrier_binds.all_of(conn)
        rows = carriers.all_of(conn)
    found = []
    for row in rows:
        fresh = [each for each in reports.get(row.name, ()) if each.is_fresh]
        binds = (sum(each.bound for each in fresh), sum(each.wanted for each in fresh)) if fresh else None
        traffic = did.get(row.name, RecentTraffic(0, 0, 0))
        found.append(
            CarrierOverview(row.name, row.state, row.reason, row.name in broken, binds, due[row.name], traffic)
        )
    return found
