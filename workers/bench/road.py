"""The road: producers → ingest → segment → bill → deliver → attempts recorded, by real workers, as fast as it goes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import psycopg

from workers.bench import cost
from workers.bench.ground import Ground, value
from workers.bench.latency import by_marks, spread
from workers.bench.plan import Plan
from workers.bench.processes import Process, roots_of, wait, workers
from workers.bench.producers import Asked, ask, bulk, producers

#: orders carried before the clock starts, as a share of those that count
_WARM_UP = 0.3

_DONE = "SELECT count(*) = %s AND NOT EXISTS (SELECT FROM batches WHERE status <> 'done') FROM requests"
_LAST = "SELECT extract(epoch FROM max(recorded_at))::float8 FROM provider_attempts"
_OUTCOMES = "SELECT outcome, count(*) FROM provider_attempts GROUP BY outcome"
_GONE = "SELECT count(*) = 0 FROM pg_stat_activity WHERE application_name = 'postroad'"


def measure(ground: Ground, plan: Plan, far_end: Sequence[Process]) -> dict[str, Any]:
    """Carry the plan's messages; return the rate, the times and what they took."""
    warm = max(plan.children, round(plan.orders * _WARM_UP))
    with ground.connect() as conn, producers(1) as pool:
        began = cost.rows(conn)
        with workers(ground, plan.children) as running:
            processes = [*running, *far_end]
            _carry(ground, conn, pool, bulk(warm, plan.batch), processes, warm)
            conn.execute("CHECKPOINT")
            _carry(ground, conn, pool, bulk(warm, plan.batch), processes, 2 * warm)
            result = _run(ground, plan, conn, pool, processes, 2 * warm)
        wait(lambda: value(conn, _GONE), [])
        result["rows_a_message"] = _a_message(began, cost.rows(conn), _outcomes(conn)["accepted"])
    return result


def _run(
    ground: Ground,
    plan: Plan,
    conn: "psycopg.Connection[Any]",
    pool: ProcessPoolExecutor,
    processes: Sequence[Process],
    before: int,
) -> dict[str, Any]:
    roots = roots_of(ground, processes)
    wal, outcomes, reading = cost.wal(conn), _outcomes(conn), cost.read(roots)
    asked, done = _carry(ground, conn, pool, bulk(plan.orders, plan.batch), processes, before + plan.orders)
    spent = cost.since(reading, roots, {"producer": asked.cpu})
    wal, outcomes = cost.wal(conn) - wal, _outcomes(conn) - outcomes
    sent = outcomes["accepted"]
    first = min(asked.at.values())
    return {
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


def _carry(
    ground: Ground,
    conn: "psycopg.Connection[Any]",
    pool: ProcessPoolExecutor,
    orders: list[dict[str, Any]],
    processes: Sequence[Process],
    requests: int,
) -> tuple[Asked, float]:
    """Submit orders; return what the producer says and when all requests so far were done."""
    asked = pool.submit(ask, ground.pair.broker_url, orders)
    done = wait(lambda: value(conn, _DONE, requests), processes, patience=300)
    return asked.result(), done


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
