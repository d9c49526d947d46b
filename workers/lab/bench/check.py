"""Compares the speed of this tree with that of an older commit, alternating on this machine: `make bench-check`.

Each round benches both trees, one right after the other and in alternating order, so that changes in the machine's
speed favour neither. The exit code is 1 when any figure needs more CPU than the limit allows.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from pipeline.errors import PostroadError

ROOT = Path(__file__).resolve().parents[3]
#: holds the commit to compare with
BASE = ROOT / "tests" / "bench" / "BASE"

#: name → options of `postroad bench`
BENCHES = {
    "road": ("--only", "road"),
    "road_http": ("--only", "road", "--carrier", "http"),
    "road_smpp": ("--only", "road", "--carrier", "smpp"),
    "road_smpp_receipts": ("--only", "road", "--carrier", "smpp", "--receipts"),
    "doors": ("--only", "doors"),
}
_APIS = ("solaris", "robase", "telesign", "webex")
#: processes of a bench that do not belong to the product
_OUTSIDE = {"caller", "producer", "simulator"}
#: seconds one bench may take
_TIMEOUT = 600

Run = Callable[[Path, Sequence[str]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Figure:
    """One bench's result for one carrier kind or API."""

    #: such as `road_smpp` or `robase`
    name: str
    messages_a_second: float
    #: µs of CPU per message, by process of the product
    cpu: dict[str, float]

    @property
    def total(self) -> float:
        """Return µs of CPU per message in total."""
        return sum(self.cpu.values())


@dataclass(frozen=True, slots=True)
class SpeedComparison:
    """One figure in both trees."""

    name: str
    base: Sequence[Figure]
    this: Sequence[Figure]

    @property
    def cpu_ratio(self) -> float:
        """Return the median over the rounds of the ratio of this tree's CPU per message to the base's."""
        return statistics.median(new.total / old.total for old, new in zip(self.base, self.this, strict=True))

    @property
    def rate_ratio(self) -> float:
        """Return the median over the rounds of the ratio of this tree's messages/s to the base's."""
        pairs = zip(self.base, self.this, strict=True)
        return statistics.median(new.messages_a_second / old.messages_a_second for old, new in pairs)


def figures(name: str, result: dict[str, Any]) -> Iterator[Figure]:
    """Yield the figures of one bench's JSON."""
    if any(result["audit"].values()):
        raise PostroadError(f"the bench {name} ended with a broken invariant: {result['audit']}")
    if "road" in result:
        yield _figure(name, result["road"]["messages_a_second"], result["road"]["cpu_us_a_message"])
    for api in _APIS if "doors" in result else ():
        found = result["doors"][api]
        yield _figure(api, found["delivered_a_second"], found["cpu_us_a_message"])


def _figure(name: str, rate: float, cpu: dict[str, float]) -> Figure:
    return Figure(name, rate, {process: spent for process, spent in cpu.items() if process not in _OUTSIDE})


def compare(base: Path, this: Path, benches: Iterable[str], rounds: int, run: Run) -> list[SpeedComparison]:
    """Bench both trees in alternation for that many rounds; return each figure's comparison."""
    found: dict[tuple[str, Path], list[Figure]] = {}
    for turn in range(rounds):
        for bench in benches:
            for tree in (base, this) if turn % 2 == 0 else (this, base):
                for figure in figures(bench, run(tree, BENCHES[bench])):
                    found.setdefault((figure.name, tree), []).append(figure)
    names = dict.fromkeys(name for name, _ in found)
    return [SpeedComparison(name, found[name, base], found[name, this]) for name in names]


def table(comparisons: Sequence[SpeedComparison]) -> Iterator[str]:
    """Yield the lines of a Markdown table: the medians of both trees and of the rounds' ratios."""
    yield "| | messages/s, base | this | ratio | CPU µs a message, base | this | ratio | by process, base → this |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for each in comparisons:
        sides = (each.base, each.this)
        rate_before, rate = (statistics.median(one.messages_a_second for one in side) for side in sides)
        cpu_before, cpu = (statistics.median(one.total for one in side) for side in sides)
        yield (
            f"| {each.name} | {rate_before:,.0f} | {rate:,.0f} | {each.rate_ratio:.2f} "
            f"| {cpu_before:.1f} | {cpu:.1f} | {each.cpu_ratio:.3f} | {_by_process(each)} |"
        )


def _by_process(each: SpeedComparison) -> str:
    def median(side: Sequence[Figure], process: str) -> float:
        return statistics.median(one.cpu.get(process, 0.0) for one in side)

    processes = dict.fromkeys(process for one in (*each.base, *each.this) for process in one.cpu)
    pairs = {process: (median(each.base, process), median(each.this, process)) for process in processes}
    return ", ".join(f"{name} {old:.0f} → {new:.0f}" for name, (old, new) in pairs.items() if max(old, new) >= 1)


def over(comparisons: Iterable[SpeedComparison], limit: float) -> list[str]:
    """Return the names of figures that need more CPU than the base, by more than `limit` percent."""
    return [each.name for each in comparisons if (each.cpu_ratio - 1) * 100 > limit]


def bench(tree: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """Return the JSON of one bench of a tree; PostroadError when it fails."""
    argv = [sys.executable, "-m", "workers.cli", "bench", "--json", *arguments]
    env = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(argv, cwd=tree, env=env, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    if done.returncode:
        raise PostroadError(f"the bench {' '.join(arguments)} failed in {tree}: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def _usual_base() -> str:
    """Return the commit to compare with; PostroadError outside a git clone, as in an installed package."""
    if not BASE.is_file():
        raise PostroadError(f"{BASE} is missing: commits can be compared in a git clone of Postroad only")
    return BASE.read_text().strip()


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """Yield a temporary folder with the files of a commit. PostroadError when there is no such commit."""
    with tempfile.TemporaryDirectory(prefix="postroad-base-") as folder:
        archive = subprocess.run(["git", "-C", str(ROOT), "archive", commit], capture_output=True, check=False)
        if archive.returncode:
            raise PostroadError(f"commit {commit} is not in this clone: fetch the whole history first")
        subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
        yield Path(folder)


@click.command()
@click.option("--base", default="", help="The commit to compare with; by default the one in tests/bench/BASE.")
@click.option("--rounds", default=5, show_default=True, type=click.IntRange(1))
@click.option("--limit", default=5.0, show_default=True, help="Percent of CPU by which any figure may exceed the base.")
@click.option("--only", default=",".join(BENCHES), show_default=True, help="Which benches.")
@click.option("--small", is_flag=True, help="A tenth of the messages: quick, only to check that it runs.")
def main(base: str, rounds: int, limit: float, only: str, small: bool) -> None:
    """Bench this tree and its base in alternation; keep the machine idle meanwhile (five rounds take half an hour)."""
    benches = [each.strip() for each in only.split(",")]
    if unknown := set(benches) - set(BENCHES):
        raise click.BadParameter(f"{min(unknown)!r} is none of {', '.join(BENCHES)}", param_hint="--only")
    less = ("--messages", "5000", "--calls", "2000") if small else ()

    def run(tree: Path, arguments: Sequence[str]) -> dict[str, Any]:
        click.echo(f"{'this' if tree == ROOT else 'base'}: {' '.join(arguments)} …", err=True)
        return bench(tree, (*arguments, *less))

    try:
        with checked_out(base or _usual_base()) as old:
            found = compare(old, ROOT, benches, rounds, run)
    except PostroadError as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join(table(found)))
    if slow := over(found, limit):
        click.echo(f"more than {limit:g} % above the base: {', '.join(slow)}", err=True)
        raise SystemExit(1)


if __name__ == "__main__":
    main()
