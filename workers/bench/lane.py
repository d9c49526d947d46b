"""The lane: one code at a time through the real producer and the lane worker, alone and beside bulk."""

import time
from collections.abc import Sequence
from typing import Any

from workers.bench.ground import Ground, value
from workers.bench.latency import by_carrier, by_marks, spread
from workers.bench.plan import Plan
from workers.bench.processes import Process, wait, workers
from workers.bench.producers import Asked, ask, bulk, codes, producers

_WARM_UP = 20
#: seconds of bulk before the first code, so that it is in full flow
_AHEAD = 2

_DONE = """
SELECT (SELECT count(*) FROM requests WHERE id = ANY(%s)) = %s
       AND NOT EXISTS (SELECT FROM batches WHERE status <> 'done')
"""


def measure(ground: Ground, plan: Plan, far_end: Sequence[Process]) -> dict[str, Any]:
    """Send codes alone and beside bulk; return the times from submit to carrier of both."""
    url, every = ground.pair.broker_url, plan.batch / plan.beside
    with ground.connect() as conn, producers(2) as pool, workers(ground, plan.children) as running:

        def settled(*asked: Asked) -> None:
            requests = [request for each in asked for request in each.at]
            wait(lambda: value(conn, _DONE, requests, len(requests)), [*running, *far_end])

        settled(
            pool.submit(ask, url, codes(_WARM_UP)).result(),
            pool.submit(ask, url, bulk(2 * plan.children, plan.batch)).result(),
        )
        alone = pool.submit(ask, url, codes(plan.codes), plan.pauses).result()
        settled(alone)

        offered = pool.submit(ask, url, bulk(_orders(plan), plan.batch), (every, every))
        time.sleep(_AHEAD)
        crowded = pool.submit(ask, url, codes(plan.codes), plan.pauses).result()
        beside = offered.result()
        settled(crowded, beside)
        return {
            "alone_ms": spread(by_carrier(conn, alone.at, ground.codes_log)),
            "beside_bulk_ms": spread(by_carrier(conn, crowded.at, ground.codes_log)),
            "bulk_offered_a_second": _rate(beside, plan.batch),
            "bulk_submit_to_mark_ms": spread(by_marks(conn, beside.at)),
        }


def _orders(plan: Plan) -> int:
    """Return how many bulk orders last as long as the codes."""
    return max(1, round((plan.codes * sum(plan.pauses) / 2 + 2 * _AHEAD) * plan.beside / plan.batch))


def _rate(asked: Asked, size: int) -> int:
    """Return the messages a second that were offered."""
    moments = sorted(asked.at.values())
    return round((len(moments) - 1) * size / (moments[-1] - moments[0])) if len(moments) > 1 else 0
