"""The lane: one code at a time through the real producer and the lane worker, alone and beside bulk."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from workers.bench import cost
from workers.bench.ground import Ground, value
from workers.bench.latency import by_carrier, by_marks, spread
from workers.bench.plan import Plan
from workers.bench.processes import Process, roots_of, wait
from workers.bench.producers import Asked, ask, bulk, codes

_WARM_UP = 20

_DONE = """
SELECT (SELECT count(*) FROM requests WHERE id = ANY(%s)) = %s
       AND NOT EXISTS (SELECT FROM batches WHERE status <> 'done')
"""


def measure(ground: Ground, plan: Plan, processes: Sequence[Process], pool: ProcessPoolExecutor) -> dict[str, Any]:
    """Send codes alone and beside bulk, by two producers; return the times from submit to carrier of both."""
    with ground.connect() as conn:
        lane = _Lane(ground, plan, conn, pool, processes)
        lane.send(_WARM_UP, 2 * plan.children)
        return {"alone": lane.send(plan.codes, 0), "beside_bulk": lane.send(plan.codes, _orders(plan))}


@dataclass(frozen=True, slots=True)
class _Lane:
    """What sending codes takes."""

    ground: Ground
    plan: Plan
    conn: "psycopg.Connection[Any]"
    pool: ProcessPoolExecutor
    processes: Sequence[Process]

    def send(self, count: int, orders: int) -> dict[str, Any]:
        """Send so many codes, beside so many orders of bulk; return the times of both."""
        url, every = self.ground.pair.broker_url, self.plan.batch / self.plan.beside
        roots = roots_of(self.ground, self.processes)
        reading = cost.read(roots)
        offered = self.pool.submit(ask, url, bulk(orders, self.plan.batch), (every, every))
        time.sleep(self.plan.ahead if orders else 0)
        sent = self.pool.submit(ask, url, codes(count), self.plan.pauses).result()
        beside = offered.result()
        requests = [*sent.at, *beside.at]
        wait(lambda: value(self.conn, _DONE, requests, len(requests)), self.processes)
        spent = cost.since(reading, roots, {"producers": sent.cpu + beside.cpu})
        measured: dict[str, Any] = {
            "submit_to_carrier_ms": spread(by_carrier(self.conn, sent.at, self.ground.codes_log)),
            "lane_cpu_ms_a_code": round(spent.cpu["lane"] / count * 1000, 1) if spent.cpu else None,
            "cores": spent.cores,
        }
        if orders:
            measured["bulk_offered_a_second"] = _rate(beside, self.plan.batch)
            measured["bulk_submit_to_mark_ms"] = spread(by_marks(self.conn, beside.at))
        return measured


def _orders(plan: Plan) -> int:
    """Return how many bulk orders last as long as the codes."""
    return max(1, round((plan.codes * sum(plan.pauses) / 2 + 2 * plan.ahead) * plan.beside / plan.batch))


def _rate(asked: Asked, size: int) -> int:
    """Return the messages a second that were offered."""
    moments = sorted(asked.at.values())
    return round((len(moments) - 1) * size / (moments[-1] - moments[0])) if len(moments) > 1 else 0
