"""The road: producers → ingest → segment → bill → deliver → attempts recorded, by real workers, as fast as it goes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from workers.lab.bench import cost
from workers.lab.bench.bench_processes import BenchProcess, roots_of, wait, workers
from workers.lab.bench.bench_producers import Asked, ask, bulk, producers
from workers.lab.bench.latency import by_marks, spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import BenchSetup, value

#: seconds between two looks at whether all is delivered: each reads every message
_LOOK = 0.25
#: orders carried before the clock starts, as a share of those that count
_WARM_UP = 0.3

_DONE = "SELECT count(*) = %s AND NOT EXISTS (SELECT FROM batches WHERE status <> 'done') FROM requests"
_LAST = "SELECT extract(epoch FROM max(recorded_at))::float8 FROM provider_attempts"
_OUTCOMES = "SELECT outcome, count(*) FROM provider_attempts GROUP BY outcome"
_DELIVERED = "SELECT NOT EXISTS (SELECT FROM messages WHERE status <> 'delivered')"
_LAST_SETTLED = "SELECT extract(epoch FROM max(applied_at))::float8 FROM receipts"
_GONE = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'postroad'"


def measure(setup: BenchSetup, plan: BenchPlan, far_end: Sequence[BenchProcess]) -> dict[str, Any]:
    """Carry the plan's messages; return the rate, the times and what they took."""
    warm = max(plan.children, round(plan.orders * _WARM_UP))
    with setup.connect() as conn, producers(1) as pool:
        began = cost.rows(conn)
        with workers(setup, plan.children) as running:
            processes = [*running, *far_end]
            road = _Road(setup, plan, conn, pool, processes)
            road.carry(bulk(warm, plan.batch))
            conn.execute("CHECKPOINT")
            road.carry(bulk(warm, plan.batch))
            result = _run(road)
        wait(lambda: value(conn, _GONE), [])
        result["rows_a_message"] = _a_message(began, cost.rows(conn), _outcomes(conn)["accepted"])
    return result


@dataclass(slots=True)
class _Road:
    """What carrying takes."""

    setup: BenchSetup
    plan: BenchPlan
    conn: "psycopg.Connection[Any]"
    pool: ProcessPoolExecutor
    processes: Sequence[BenchProcess]
    #: requests submitted so far
    requests: int = 0

    def carry(self, orders: list[dict[str, Any]]) -> tuple[Asked, float]:
        """Submit orders; return what the producer says, and when all were done: with receipts, delivered."""
        self.requests += len(orders)
        asked = self.pool.submit(ask, self.setup.pair.broker_url, orders)
        done = self._wait(_DONE, self.requests)
        if self.plan.receipts:
            self._wait(_DELIVERED, pause=_LOOK)
            done = float(value(self.conn, _LAST_SETTLED))
        return asked.result(), done

    def _wait(self, query: str, *params: object, pause: float = 0.02) -> float:
        return wait(lambda: value(self.conn, query, *params), self.processes, timeout=300, pause=pause)


def _run(road: _Road) -> dict[str, Any]:
    conn, roots = road.conn, roots_of(road.setup, road.processes)
    wal, outcomes, reading = cost.wal(conn), _outcomes(conn), cost.read(roots)
    asked, done = road.carry(bulk(road.plan.orders, road.plan.batch))
    spent = cost.since(reading, roots, {"producer": asked.cpu})
    wal, outcomes = cost.wal(conn) - wal, _outcomes(conn) - outcomes
    sent = outcomes["accepted"]
    first = min(asked.at.values())
    return {
        "carrier": road.plan.carrier,
        "until": "delivered" if road.plan.receipts else "recorded",
        "messages": sent,
        "attempts": dict(outcomes),
        "seconds": round(done - first, 3),
        "messages_a_second": round(sent / (done - first)),
        "messages_a_second_by_the_database": round(sent / (value(conn, _LAST) - first)),
        "submit_to_mark_ms": spread(by_marks(conn, asked.at)),
        "cpu_us_a_message": {name: round(seconds / sent * 1e6, 1) for name, seconds in spent.cpu.items()},
        "cores": spent.cores,
        "wal_bytes_a_message": round(wal / sent),
    }


def _outcomes(conn: "psycopg.Connection[Any]") -> Counter[str]:
    """Return how many attempts had each outcome so far."""
    return Counter(dict(conn.execute(_OUTCOMES).fetchall()))


def _a_message(
    began: Mapping[str, Mapping[str, int]], ended: Mapping[str, Mapping[str, int]], carried: int
) -> dict[str, dict[str, float]]:
    """Return rows written a message by table and kind, of the tables written at all."""
    written = {
        table: {kind: round((count - began.get(table, {}).get(kind, 0)) / carried, 4) for kind, count in kinds.items()}
        for table, kinds in ended.items()
    }
    return {table: kinds for table, kinds in written.items() if any(kinds.values())}
