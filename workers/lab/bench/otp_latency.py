"""The bench part `lane`: latency of one-time passwords from producer to carrier, alone and beside bulk."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from workers.lab.bench import cost
from workers.lab.bench.bench_processes import BenchProcess, roots_of, wait
from workers.lab.bench.bench_producers import Submitted, bulk, codes, submit_all
from workers.lab.bench.latency import by_carrier, by_marks, spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import BenchSetup, value

_WARM_UP = 20

_DONE = """
SELECT (SELECT count(*) FROM requests WHERE id = ANY(%s)) = %s
       AND NOT EXISTS (SELECT FROM batches WHERE status <> 'done')
"""


def measure(
    setup: BenchSetup, plan: BenchPlan, processes: Sequence[BenchProcess], pool: ProcessPoolExecutor
) -> dict[str, Any]:
    """Send one-time passwords alone and beside bulk, by two producers; return the latencies of both."""
    with setup.connect() as conn:
        load = _OtpLoad(setup, plan, conn, pool, processes)
        load.send(_WARM_UP, 2 * plan.children)
        return {"alone": load.send(plan.codes, 0), "beside_bulk": load.send(plan.codes, _orders(plan))}


@dataclass(frozen=True, slots=True)
class _OtpLoad:
    """The state of one latency run."""

    setup: BenchSetup
    plan: BenchPlan
    conn: "psycopg.Connection[Any]"
    pool: ProcessPoolExecutor
    processes: Sequence[BenchProcess]

    def send(self, count: int, orders: int) -> dict[str, Any]:
        """Send `count` one-time passwords beside `orders` bulk orders; return the latencies of both."""
        url, every = self.setup.servers.broker_url, self.plan.batch / self.plan.beside
        roots = roots_of(self.setup, self.processes)
        reading = cost.read(roots)
        offered = self.pool.submit(submit_all, url, bulk(orders, self.plan.batch), (every, every))
        time.sleep(self.plan.ahead if orders else 0)
        sent = self.pool.submit(submit_all, url, codes(count), self.plan.pauses).result()
        beside = offered.result()
        requests = [*sent.at, *beside.at]
        wait(lambda: value(self.conn, _DONE, requests, len(requests)), self.processes)
        spent = cost.since(reading, roots, {"producers": sent.cpu + beside.cpu})
        measured: dict[str, Any] = {
            "submit_to_carrier_ms": spread(by_carrier(self.conn, sent.at, self.setup.codes_log)),
            "lane_cpu_ms_a_code": round(spent.cpu["lane"] / count * 1000, 1) if spent.cpu else None,
            "cores": spent.cores,
        }
        if orders:
            measured["bulk_offered_a_second"] = _rate(beside, self.plan.batch)
            measured["bulk_submit_to_mark_ms"] = spread(by_marks(self.conn, beside.at))
        return measured


def _orders(plan: BenchPlan) -> int:
    """Return how many bulk orders take as long as the one-time passwords."""
    return max(1, round((plan.codes * sum(plan.pauses) / 2 + 2 * plan.ahead) * plan.beside / plan.batch))


def _rate(submitted: Submitted, size: int) -> int:
    """Return the offered messages per second."""
    moments = sorted(submitted.at.values())
    return round((len(moments) - 1) * size / (moments[-1] - moments[0])) if len(moments) > 1 else 0
