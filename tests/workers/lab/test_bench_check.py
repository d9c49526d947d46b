"""`make bench-check`: two source trees measured in turns, and the limit above which one is too slow."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pipeline.errors import PostroadError
from workers.lab.bench import check
from workers.lab.bench.check import BASE, BENCHES, ROOT, Figure, SpeedComparison, compare, figures, over, table

OLD, NEW = Path("old"), Path("new")


def result(rate: float, **cpu: float) -> dict[str, Any]:
    return {"audit": {"I1": 0}, "road": {"messages_a_second": rate, "cpu_us_a_message": cpu}}


class Machine:
    """A machine whose speed doubles between rounds, on which the new tree takes `more` times the CPU."""

    def __init__(self, more: float) -> None:
        self.more = more
        self.asked: list[tuple[Path, tuple[str, ...]]] = []

    def run(self, tree: Path, arguments: Sequence[str]) -> dict[str, Any]:
        speed = 2 ** (len(self.asked) // 2)
        self.asked.append((tree, tuple(arguments)))
        cost = (self.more if tree == NEW else 1.0) / speed
        return result(1000 / cost, worker=60 * cost, postgresql=30 * cost, producer=500)


def test_both_trees_are_measured_in_alternating_order() -> None:
    machine = Machine(1.0)

    compare(OLD, NEW, ["road_smpp"], 2, machine.run)

    assert machine.asked == [(tree, BENCHES["road_smpp"]) for tree in (OLD, NEW, NEW, OLD)]


@pytest.mark.parametrize(("more", "limit", "slow"), [(1.04, 5.0, []), (1.06, 5.0, ["road"]), (1.06, 8.0, [])])
def test_cpu_use_above_the_limit_is_reported_though_the_machine_s_speed_varies(
    more: float, limit: float, slow: list[str]
) -> None:
    found = compare(OLD, NEW, ["road"], 3, Machine(more).run)

    assert over(found, limit) == slow
    assert found[0].cpu_ratio == pytest.approx(more)
    assert found[0].rate_ratio == pytest.approx(1 / more)


def test_cpu_use_of_processes_outside_the_product_is_not_counted() -> None:
    [figure] = figures("road", result(900, worker=60, postgresql=30, producer=5, simulator=40, caller=7))

    assert figure == Figure("road", 900, {"worker": 60, "postgresql": 30})
    assert figure.total == 90


def test_each_api_is_compared_separately() -> None:
    api = {"delivered_a_second": 5000, "cpu_us_a_message": {"gateway": 200, "caller": 50}}
    doors = dict.fromkeys(("solaris", "robase", "telesign", "webex"), api)

    found = list(figures("doors", {"audit": {}, "doors": doors | {"empty_handler": {}}}))

    assert [each.name for each in found] == ["solaris", "robase", "telesign", "webex"]
    assert {each.total for each in found} == {200}


def test_a_failed_audit_ends_the_comparison() -> None:
    with pytest.raises(PostroadError, match="broken invariant"):
        list(figures("road", {**result(1, worker=1), "audit": {"I3": 1}}))


def test_the_table_shows_medians_ratios_and_cpu_use_by_process() -> None:
    one = SpeedComparison(
        "road", [Figure("road", 1000, {"worker": 60})], [Figure("road", 900, {"worker": 66, "valkey": 2})]
    )

    *_, line = table([one])

    assert line == "| road | 1,000 | 900 | 0.90 | 60.0 | 68.0 | 1.133 | worker 60 → 66, valkey 0 → 2 |"


def test_an_unknown_base_commit_is_an_error() -> None:
    done = CliRunner().invoke(check.main, ["--base", "f" * 40, "--only", "road"])

    assert done.exit_code == 1
    assert "is not in this clone" in done.output


def test_the_base_is_a_full_commit_id() -> None:
    commit = BASE.read_text().strip()
    shallow = subprocess.run(["git", "-C", str(ROOT), "cat-file", "-t", commit], capture_output=True, check=False)

    assert len(commit) == 40
    assert int(commit, 16)
    assert shallow.returncode or shallow.stdout == b"commit\n"
