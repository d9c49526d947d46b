"""Runs Prometheus' promtool on the alerts, with series made of scrapes."""

import math
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.workers.metrics.scraped import Scrape

RULES = Path(__file__).resolve().parents[2] / "deploy" / "prometheus" / "rules.yml"
#: set where a missing promtool is a failure: .ci/run
REQUIRED = "POSTROAD_REQUIRE_PROMTOOL"
#: the alerts that fire, by name
_FIRING = 'group by (alertname) (ALERTS{alertstate="firing"})'


def run_promtool(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run promtool; skip the test where there is none, unless it is required."""
    found = shutil.which("promtool")
    if found is None:
        words = "promtool is not here (Debian's package prometheus): the alerts are not tested"
        if os.environ.get(REQUIRED):
            pytest.fail(words)
        pytest.skip(words)
    return subprocess.run([found, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@dataclass(frozen=True)
class Phase:
    """A scrape, and for how many minutes each scrape has the same figures."""

    scrape: Scrape
    minutes: int
    #: Unix time when it was made
    at: float


def series(phases: Sequence[Phase]) -> list[dict[str, str]]:
    """Return promtool's input series: a sample a minute, times moved to promtool's clock, which begins at 0."""
    samples = [
        {(each.name, tuple(sorted(each.labels.items()))): each.value for each in phase.scrape.samples}
        for phase in phases
    ]
    found = []
    for name, labels in sorted(set().union(*samples)):
        values, minute = [], 0
        for phase, known in zip(phases, samples, strict=True):
            values.append(_values(phase, name, known.get((name, labels)), minute))
            minute += phase.minutes
        written = ",".join(f'{label}="{value}"' for label, value in (*labels, ("instance", "here")))
        found.append({"series": f"{name}{{{written}}}", "values": " ".join(values)})
    return found


def _values(phase: Phase, name: str, value: float | None, minute: int) -> str:
    times = phase.minutes - 1
    if value is None or math.isnan(value):
        return f"_x{phase.minutes}"
    if name.endswith("_timestamp_seconds") and value > 0:
        return f"{value - phase.at + 60 * minute:.3f}+60x{times}"
    return f"{value:f}+0x{times}"


def assert_firing(folder: Path, phases: Sequence[Phase], alerts: set[str]) -> None:
    """Assert that nothing fires at the end of the first phase, and just these alerts at the end of the last."""
    minutes = [sum(phase.minutes for phase in phases[:count]) - 1 for count in (1, len(phases))]
    expected = [
        {"expr": _FIRING, "eval_time": f"{minute}m", "exp_samples": _samples(names)}
        for minute, names in zip(minutes, (set[str](), alerts), strict=True)
    ]
    tests: dict[str, Any] = {"interval": "1m", "input_series": series(phases), "promql_expr_test": expected}
    file = folder / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": [tests]}))

    done = run_promtool("test", "rules", file)

    assert done.returncode == 0, done.stdout + done.stderr


def _samples(alerts: set[str]) -> list[dict[str, Any]]:
    return [{"labels": f'{{alertname="{name}"}}', "value": 1} for name in sorted(alerts)]
