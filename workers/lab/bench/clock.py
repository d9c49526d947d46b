"""The bench part `clock`: the cost of a promote tick with very many scheduled messages, and the promotion rate."""

import statistics
import time
from typing import Any

import psycopg

from pipeline.runtime import Runtime
from pipeline.stages.promote import PORTION, promote
from workers.lab.bench.latency import spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import BenchSetup, value

#: messages of a full batch
_FULL = 1000
#: batches made due to measure the cost of one, and repetitions
_DUE, _TIMES = 20_000, 3
#: multiples of the plan's number of messages that are scheduled meanwhile
_FEW, _MANY = 0.1, 5

_FILL = """
INSERT INTO batches (id, account_id, class, carrier, test, status, send_at, due_at, valid_until, size,
                     first_id, last_id)
SELECT id, 1, 'bulk', 'bench', false, 'scheduled', due_at, due_at, due_at + interval '3 days', %(size)s, id, id
FROM (SELECT ('01990000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid AS id,
             CASE WHEN %(due)s THEN now() - interval '1 second'
                  ELSE now() + interval '1 day' + n * interval '50 milliseconds' END AS due_at
      FROM generate_series(%(first)s::int8, %(last)s::int8) AS n) AS numbered
"""
_NEXT = "SELECT coalesce(max(right(id::text, 12)), '0') FROM batches"
_WAITING = "SELECT count(*) FROM batches WHERE status = 'scheduled'"
_SCANS = """
SELECT (SELECT coalesce(sum(idx_scan), 0) FROM pg_stat_user_indexes WHERE indexrelname = 'batches_due')::int8,
       (SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'batches')
"""


def measure(setup: BenchSetup, plan: BenchPlan) -> dict[str, Any]:
    """Measure idle ticks, the promotion of very many, and the cost of a due batch with few and many scheduled."""
    few, many = round(plan.scheduled * _FEW), plan.scheduled * _MANY
    due = min(_DUE, max(1, plan.scheduled // 10))
    return {
        "scheduled": plan.scheduled,
        "in_full_batches": _measure(setup, plan, "clock_full", size=_FULL),
        "in_batches_of_one": _measure(setup, plan, "clock_single", size=1),
        "us_a_due_batch_by_waiting": _flatness(setup, few, many, due),
    }


def _measure(setup: BenchSetup, plan: BenchPlan, database: str, size: int) -> dict[str, Any]:
    """Schedule the plan's messages; measure idle ticks; then promote all full batches, or a tenth of single ones."""
    setup.copy(database)
    rt = Runtime(setup.settings(database))
    count = max(1, plan.scheduled // size)
    due = count if size > 1 else max(1, count // 10)
    with setup.connect(database) as conn:
        _fill(conn, count, size)
        before = _scans(conn)
        idle = spread(_ticks(rt, plan.ticks))
        _fill(conn, due, size, due=True)
        seconds = _promote_all(rt)
        after = spread(_ticks(rt, plan.ticks))
        rt.close()
        by_index, in_sequence = (now - then for now, then in zip(_scans(conn), before, strict=True))
    return {
        "idle_tick_ms": idle,
        "promoted_messages": due * size,
        "promoted_in_seconds": round(seconds, 3),
        "batches_a_second": round(due / seconds),
        "idle_tick_afterwards_ms": after,
        "scans_of_the_partial_index": by_index,
        "scans_of_the_whole_table": in_sequence,
    }


def _flatness(setup: BenchSetup, few: int, many: int, due: int) -> dict[str, float]:
    """Return µs per due batch by the number of other scheduled batches, as a median."""
    setup.copy("clock_flat")
    rt = Runtime(setup.settings("clock_flat"))
    found = {}
    with setup.connect("clock_flat") as conn:
        for waiting in (few, many):
            _fill(conn, waiting - value(conn, _WAITING), 1)
            conn.execute("CHECKPOINT")
            found[str(waiting)] = round(statistics.median(_dues(conn, rt, due)), 1)
    rt.close()
    return found


def _dues(conn: "psycopg.Connection[Any]", rt: Runtime, due: int) -> list[float]:
    taken = []
    for _ in range(_TIMES):
        _fill(conn, due, 1, due=True)
        taken.append(_promote_all(rt) / due * 1e6)
    return taken


def _fill(conn: "psycopg.Connection[Any]", count: int, size: int, *, due: bool = False) -> None:
    """Schedule that many more batches, then VACUUM ANALYZE, as autovacuum would."""
    first = int(value(conn, _NEXT), 16) + 1
    conn.execute(_FILL, {"first": first, "last": first + count - 1, "size": size, "due": due})
    conn.execute("VACUUM ANALYZE batches")


def _ticks(rt: Runtime, count: int) -> list[float]:
    """Return the seconds of each of `count` ticks at which nothing is due."""
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        promote(rt)
        taken.append(time.perf_counter() - began)
    return taken


def _promote_all(rt: Runtime) -> float:
    began = time.perf_counter()
    while len(promote(rt)) == PORTION:
        pass
    return time.perf_counter() - began


def _scans(conn: "psycopg.Connection[Any]") -> tuple[int, int]:
    """Return scans of the partial index and of the whole table so far; complete once the runtime is closed."""
    conn.execute("SELECT pg_stat_clear_snapshot(), pg_stat_force_next_flush()")
    row = conn.execute(_SCANS).fetchone()
    assert row
    of_index, of_table = row
    return of_index, of_table
