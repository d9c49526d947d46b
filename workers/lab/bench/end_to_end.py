"""The bench part `road`: end to end from producers through ingest, segment, bill and deliver to recorded attempts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from workers.lab.bench import cost
from workers.lab.bench.bench_processes import BenchProcess, roots_of, wait, workers
from workers.lab.bench.bench_producers import Submitted, bulk, producers, submit_all
from workers.lab.bench.latency import by_marks, spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import BenchSetup, value

#: seconds between two checks of whether all is delivered: each reads every message
_POLL = 0.25
#: warm-up orders, as a share of the measured ones
_WARM_UP = 0.3

_DONE = "SELECT count(*) = %s AND NOT EXISTS (SELECT FROM batches WHERE status <> 'done') FROM requests"
_LAST = "SELECT extract(epoch FROM max(recorded_at))::float8 FROM provider_attempts"
_OUTCOMES = "SELECT outcome, count(*) FROM provider_attempts GROUP BY outcome"
_DELIVERED = "SELECT NOT EXISTS (SELECT FROM messages WHERE status <> 'delivered')"
_LAST_SETTLED = "SELECT extract(epoch FROM max(applied_at))::float8 FROM receipts"
_GONE = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'postroad'"


def measure(setup: BenchSetup, plan: BenchPlan, simulators: Sequence[BenchProcess]) -> dict[str, Any]:
    """Send the plan's messages; return the rate, the times and the cost."""
    warm = max(plan.children, round(plan.orders * _WARM_UP))
    with setup.connect() as conn, producers(1) as pool:
        began = cost.rows(conn)
        with workers(setup, plan.children) as running:
            processes = [*running, *simulators]
            path = _Path(setup, plan, conn, pool, processes)
            path.send(bulk(warm, plan.batch))
            conn.execute("CHECKPOINT")
            path.send(bulk(warm, plan.batch))
            result = _run(path)
        wait(lambda: value(conn, _GONE), [])
        result["rows_a_message"] = _a_message(began, cost.rows(conn), _outcomes(conn)["accepted"])
    return result


@dataclass(slots=True)
class _Path:
    """The state of one end-to-end run."""

    setup: BenchSetup
    plan: BenchPlan
    conn: "psycopg.Connection[Any]"
    pool: ProcessPoolExecutor
    processes: Sequence[BenchProcess]
    #: requests submitted so far
    requests: int = 0

    def send(self, orders: list[dict[str, Any]]) -> tuple[Submitted, float]:
        """Submit orders; return the producer's times, and when all were done: with receipts, delivered."""
        self.requests += len(orders)
        submitted = self.pool.submit(submit_all, self.setup.servers.broker_url, orders)
        done = self._wait(_DONE, self.requests)
        if self.plan.receipts:
            self._wait(_DELIVERED, pause=_POLL)
            done = float(value(self.conn, _LAST_SETTLED))
        return submitted.result(), done

    def _wait(self, query: str, *params: object, pause: float = 0.02) -> float:
        return wait(lambda: value(self.conn, query, *params), self.processes, timeout=300, pause=pause)


def _run(path: _Path) -> dict[str, Any]:
    conn, roots = path.conn, roots_of(path.setup, path.processes)
    wal, outcomes, reading = cost.wal(conn), _outcomes(conn), cost.read(roots)
    submitted, done = path.send(bulk(path.plan.orders, path.plan.batch))
    spent = cost.since(reading, roots, {"producer": submitted.cpu})
    wal, outcomes = cost.wal(conn) - wal, _outcomes(conn) - outcomes
    sent = outcomes["accepted"]
    first = min(submitted.at.values())
    return {
        "carrier": path.plan.carrier,
        "until": "delivered" if path.plan.receipts else "recorded",
        "messages": sent,
        "attempts": dict(outcomes),
        "seconds": round(done - first, 3),
        "messages_a_second": round(sent / (done - first)),
        "messages_a_second_by_the_database": round(sent / (value(conn, _LAST) - first)),
        "submit_to_mark_ms": spread(by_marks(conn, submitted.at)),
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
    """Return rows written per message by table and kind, without unwritten tables."""
    written = {
        table: {kind: round((count - began.get(table, {}).get(kind, 0)) / carried, 4) for kind, count in kinds.items()}
        for table, kinds in ended.items()
    }
    return {table: kinds for table, kinds in written.items() if any(kinds.values())}
