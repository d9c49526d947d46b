"""One bench from beginning to end: the parts of a plan on one ground, and what the invariants say afterwards."""

import os
import platform
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from pipeline.runtime import Runtime
from pipeline.stages.admin.audit import audit
from workers.lab.bench import apis, ceiling, clock, end_to_end, otp_latency
from workers.lab.bench.bench_processes import BenchProcess, simulator, workers
from workers.lab.bench.bench_producers import producers
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import BULK, BenchSetup, setup, value

#: requests in flight on a bind
_WINDOW = 50


def run(plan: BenchPlan, tell: Callable[[str], object] = lambda _: None) -> dict[str, Any]:
    """Measure the plan's parts; `tell` hears which is under way. The ceiling needs the road's rows."""
    with ExitStack() as stack:
        tell("servers")
        made = stack.enter_context(setup())
        result: dict[str, Any] = {"machine": _machine(made)}
        far_end = _far_end(made, plan, stack)
        if {"road", "ceiling"} & set(plan.parts):
            tell("road")
            result["road"] = end_to_end.measure(made, plan, far_end)
        if "ceiling" in plan.parts:
            tell("ceiling")
            result["ceiling"] = ceiling.measure(made, plan)
            result["road"]["share_of_ceiling"] = _shares(result)
        if {"lane", "doors"} & set(plan.parts):
            _beside_workers(made, plan, far_end, result, tell)
        result["audit"] = _audit(made)
        if "clock" in plan.parts:
            tell("clock")
            result["clock"] = clock.measure(made, plan)
        return result


def _beside_workers(
    made: BenchSetup,
    plan: BenchPlan,
    far_end: Sequence[BenchProcess],
    result: dict[str, Any],
    tell: Callable[[str], object],
) -> None:
    """Measure the parts for which the same workers and producers may run."""
    with workers(made, plan.children) as running, producers(2) as pool:
        processes = [*running, *far_end]
        for name, part in (("lane", otp_latency.measure), ("doors", apis.measure)):
            if name in plan.parts:
                tell(name)
                result[name] = part(made, plan, processes, pool)


def _far_end(made: BenchSetup, plan: BenchPlan, stack: ExitStack) -> list[BenchProcess]:
    """Write the carriers; start the simulator where one is needed."""
    if plan.carrier == "simulated":
        made.set_carrier("simulated", {})
        return []
    if plan.smsc:
        made.set_carrier("smpp", _bind(plan.smsc, plan))
        return []
    process, url, smsc = stack.enter_context(simulator(made))
    if plan.carrier == "smpp":
        made.set_carrier("smpp", _bind(smsc, plan))
    else:
        made.set_carrier("http", {"base_url": url, "receipts": "open"})
    return [process]


def _bind(smsc: str, plan: BenchPlan) -> dict[str, object]:
    """Return the settings of one bind to an SMSC at a host and port."""
    host, _, port = smsc.rpartition(":")
    return {
        "host": host,
        "port": int(port),
        "system_id": BULK,
        "window": _WINDOW,
        "registered_delivery": "all" if plan.receipts else "none",
    }


def _shares(result: dict[str, Any]) -> dict[str, float]:
    rate = result["road"]["messages_a_second"]
    return {connections: round(rate / of["messages_a_second"], 3) for connections, of in result["ceiling"].items()}


def _audit(made: BenchSetup) -> dict[str, int]:
    rt = Runtime(made.settings())
    try:
        return {finding.name: finding.broken for finding in audit(rt)}
    finally:
        rt.close()


def _machine(made: BenchSetup) -> dict[str, Any]:
    with made.connect() as conn:
        version = value(conn, "SHOW server_version")
    return {
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "postgresql": version,
    }
