"""Pauses of a campaign that is sent by four carriers: how long after the commit messages still reach them.

One carrier over HTTP, one over SMPP, one limited to 20 messages a second, one that answers after ten seconds; judged by
the simulator's log.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.runtime import Runtime
from pipeline.stages.admin.carriers import set_carrier
from pipeline.stages.admin.routes import set_route
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.find import find
from workers.lab.bench.bench_processes import simulator, wait, workers
from workers.lab.bench.campaign_load import prepare, write_file
from workers.lab.bench.latency import spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import ACCOUNT, BenchSetup

#: carrier → leading digits of its recipients, and its script
_CARRIERS: dict[str, tuple[str, dict[str, Any]]] = {
    "pause_http": ("+234803", {"latency_ms": 50}),
    "pause_smpp": ("+44740", {"latency_ms": 50}),
    "pause_limited": ("+491512", {}),
    "pause_slow": ("+25471", {"latency_ms": 10_000}),
}
_LIMIT = 20.0
#: requests in flight, so that the slow carriers' portions last for seconds
_WINDOW = 20
#: seconds after a commit from which on nothing may be marked, and for which the log is watched
_ALLOWED, _WATCHED = 1.0, 2.0


def measure_pauses(setup: BenchSetup, plan: BenchPlan) -> dict[str, Any]:
    """Pause and resume a campaign as often as the plan says; return how long after each commit messages came."""
    rt = Runtime(setup.settings())
    try:
        return _measure(setup, plan, rt)
    finally:
        rt.close()


def _measure(setup: BenchSetup, plan: BenchPlan, rt: Runtime) -> dict[str, Any]:
    log = setup.home / "pauses.jsonl"
    scripts = {name: script for name, (_, script) in _CARRIERS.items()}
    with simulator(setup, scripts, log) as (process, url, smsc):
        _set_carriers(rt, url, smsc)
        places = [place for place, _ in _CARRIERS.values()]
        file = write_file(setup.home / "pauses.csv", plan.rows, places)
        prepare(setup.settings(), file, "pauses")
        campaign = find(rt, ACCOUNT, "pauses").id
        with workers(setup, plan.children) as running:
            control.start(rt, campaign)
            late: list[float] = []
            too_late = 0
            tail = _Tail(log)
            for _ in range(plan.campaign_pauses):
                wait(lambda: any(tail.new()), [*running, process])
                control.pause(rt, campaign)
                at = time.time()
                list(tail.new())
                time.sleep(_WATCHED)
                after = [moment - at for moment in tail.new() if moment > at]
                late.append(max(after, default=0.0))
                too_late += sum(each > _ALLOWED for each in after)
                control.resume(rt, campaign)
            control.abort(rt, campaign)
    return {"tries": plan.campaign_pauses, "last_after_ms": spread(late), "later_than_1_s": too_late}


def _set_carriers(rt: Runtime, url: str, smsc: str) -> None:
    host, _, port = smsc.rpartition(":")
    for name, (place, _) in _CARRIERS.items():
        if name == "pause_smpp":
            bind = {"host": host, "port": int(port), "system_id": name, "window": _WINDOW}
            set_carrier(rt, name, "smpp", bind)
        else:
            http = {"base_url": url, "window": _WINDOW, "deadline": 15, "call_deadline": 18, "receipts": "open"}
            set_carrier(rt, name, "http", http, pace=_LIMIT if name == "pause_limited" else 0)
        set_route(rt, place[1:], name)


class _Tail:
    """The end of the simulator's log."""

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, 0

    def new(self) -> Iterator[float]:
        """Yield the times of the messages that were logged since the last call, in seconds since 1970."""
        if not self._path.exists():
            return
        with self._path.open("rb") as log:
            log.seek(self._read)
            content = log.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            yield float(json.loads(line)["at"])
