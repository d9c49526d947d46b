"""Runs a whole bench: the parts of a plan on one set-up, and the audit afterwards."""

import os
import platform
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from pipeline.runtime import Runtime
from pipeline.stages.admin.audit import audit
from workers.lab.bench import apis, campaign_run, ceiling, clock, end_to_end, otp_latency
from workers.lab.bench.bench_processes import BenchProcess, simulator, workers
from workers.lab.bench.bench_producers import producers
from workers.lab.bench.campaign_pauses import measure_pauses
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import BULK, BenchSetup, setup, value

#: window of a bind: submit_sm without a response
_WINDOW = 50


def run(plan: BenchPlan, on_start: Callable[[str], object] = lambda _: None) -> dict[str, Any]:
    """Measure the plan's parts; `on_start` gets the name of each as it starts. `ceiling` needs the rows of `road`."""
    with ExitStack() as stack:
        on_start("servers")
        made = stack.enter_context(setup())
        result: dict[str, Any] = {"machine": _machine(made)}
        simulators = _carriers(made, plan, stack)
        if {"road", "ceiling"} & set(plan.parts):
            on_start("road")
            result["road"] = end_to_end.measure(made, plan, simulators)
        if "ceiling" in plan.parts:
            on_start("ceiling")
            result["ceiling"] = ceiling.measure(made, plan)
            result["road"]["share_of_ceiling"] = _shares(result)
        if {"lane", "doors", "campaign"} & set(plan.parts):
            _beside_workers(made, plan, simulators, result, on_start)
        if "campaign" in plan.parts and plan.campaign_pauses:
            on_start("pauses of a campaign")
            result["campaign"]["pauses"] = measure_pauses(made, plan)
        result["audit"] = _audit(made)
        if "clock" in plan.parts:
            on_start("clock")
            result["clock"] = clock.measure(made, plan)
        return result


def _beside_workers(
    made: BenchSetup,
    plan: BenchPlan,
    simulators: Sequence[BenchProcess],
    result: dict[str, Any],
    on_start: Callable[[str], object],
) -> None:
    """Measure the parts that share the same workers and producers."""
    if "campaign" in plan.parts:
        on_start("a campaign's file")
        result["campaign"] = campaign_run.load(made, plan)
    with workers(made, plan.children) as running, producers(2) as pool:
        processes = [*running, *simulators]
        for name, part in (("lane", otp_latency.measure), ("doors", apis.measure)):
            if name in plan.parts:
                on_start(name)
                result[name] = part(made, plan, processes, pool)
        if "campaign" in plan.parts:
            on_start("campaign")
            result["campaign"] |= campaign_run.measure(made, processes)


def _carriers(made: BenchSetup, plan: BenchPlan, stack: ExitStack) -> list[BenchProcess]:
    """Configure the carriers; start the simulator if one is needed."""
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
    """Return the settings of one bind to an SMSC."""
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
