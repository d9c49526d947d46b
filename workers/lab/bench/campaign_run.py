"""The bench part `campaign`: a file is loaded, checked and quoted, its rows are sent, its progress is read."""

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.find import find, progress
from pipeline.stages.campaigns.results import standing
from schema.vocabulary import CampaignState
from workers.lab.bench.bench_processes import BenchProcess, wait
from workers.lab.bench.campaign_load import prepare, write_file
from workers.lab.bench.latency import spread
from workers.lab.bench.plan import BenchPlan
from workers.lab.bench.setup import ACCOUNT, BenchSetup

#: leading digits of the recipients, in turns
_PLACES = ("+234803", "+44740", "+491512", "+25471")
_NAME = "bench"
#: reads of the progress of a campaign
_READS = 50


def load(setup: BenchSetup, plan: BenchPlan) -> dict[str, Any]:
    """Load, check and approve a campaign of the plan's rows; return how long it took. No worker runs yet."""
    file = write_file(setup.home / "campaign.csv", plan.rows, _PLACES)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(prepare, setup.settings(), file, _NAME).result()


def measure(setup: BenchSetup, processes: Sequence[BenchProcess]) -> dict[str, Any]:
    """Send the campaign that was loaded, with these processes; return its rates."""
    rt = Runtime(setup.settings())
    try:
        return _send(rt, find(rt, ACCOUNT, _NAME).id, processes)
    finally:
        rt.close()


def _send(rt: Runtime, campaign: UUID, processes: Sequence[BenchProcess]) -> dict[str, Any]:
    """Start a campaign and wait until it is finished; return its rates, and how long its progress takes to read."""
    began = time.time()
    control.start(rt, campaign)
    expanded = wait(lambda: progress(rt, campaign).pending == 0, processes, timeout=1800)
    finished = wait(lambda: find(rt, None, str(campaign)).state is CampaignState.FINISHED, processes, timeout=1800)
    counts = progress(rt, campaign)
    reads = []
    for _ in range(_READS):
        at = time.perf_counter()
        standing(rt, campaign)
        reads.append(time.perf_counter() - at)
    return {
        "expanded_rows_a_second": round(counts.sent / (expanded - began)),
        "handed_over_a_second": round(counts.sent / (finished - began)),
        "progress_in_ms": spread(reads),
    }
