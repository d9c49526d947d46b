"""A campaign over two carriers is paused, its processes killed, it is resumed and aborted: no row is unaccounted for.

The results file is compared with the log of the simulated carriers, row by row.
"""

import csv
import io
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from pipeline.settings import settings as read_settings
from pipeline.stages.admin.audit import audit
from pipeline.store import heartbeat
from tests.journeys.installation import Installation, wait_for
from tests.journeys.simulated_carriers import far_ends
from tests.soak import size
from workers.cli.command import run

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]

ROWS = size(5_000, 100_000)
#: requests in flight at one carrier, and messages that are marked together
WINDOW, PORTION = 20, 100
SLOW = {"latency_ms": 20}
SETTINGS = {"window": WINDOW, "deadline": 20, "call_deadline": 30}
#: columns of the file; every third recipient is in the country of the second carrier
HEADER = "to,name,correlation_id\n"
PROCESSES = ("worker", "clock", "beat", "carriers")

#: runs a command; returns its output
Shell = Callable[..., str]


@pytest.fixture
def shell(installation: Installation, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Return a function that runs a command in this process, with the installation's database."""
    monkeypatch.setenv("POSTROAD_DATABASE_URL", installation.settings.database_url.get_secret_value())
    monkeypatch.setenv("POSTROAD_BROKER_URL", installation.settings.broker_url.get_secret_value())
    monkeypatch.setenv("POSTROAD_ACCOUNT", "acme")
    read_settings.cache_clear()

    def command(*arguments: object, code: int = 0) -> str:
        capsys.readouterr()
        ended = run([str(each) for each in arguments])
        out, err = capsys.readouterr()
        assert ended == code, (arguments, out[-500:], err[-500:])
        return out

    return command


def people(path: Path) -> Path:
    """Write the campaign's file: one number is no number, and one is there twice."""
    lines = [
        f"{'+23324' if place % 3 == 0 else '+234803'}{place:07},Person {place},row-{place}\n" for place in range(ROWS)
    ]
    lines[10] = "+2348,Nobody,row-10\n"
    lines[20] = lines[19]
    path.write_text(HEADER + "".join(lines))
    return path


def taken(installation: Installation) -> Counter[UUID]:
    """Return how often carriers accepted each message, by their log."""
    return Counter(UUID(line["ref"]) for line in installation.log() if line["taken"])


def await_taken(installation: Installation, count: int) -> None:
    """Wait until carriers have accepted that many messages."""
    wait_for(
        lambda: sum(taken(installation).values()) >= count, 600, every=0.3, why=f"{count} messages are with carriers"
    )


def await_ticks(installation: Installation, count: int) -> None:
    """Wait until the clock has ticked that often."""
    for _ in range(count):
        wait_for(has_changed(installation, last_tick(installation)), why="the clock ticks")


def has_changed(installation: Installation, since: datetime | None) -> Callable[[], bool]:
    return lambda: last_tick(installation) != since


def last_tick(installation: Installation) -> datetime | None:
    return heartbeat.last(installation.world.rt.valkey)[1]


def is_still(installation: Installation) -> bool:
    """Tell whether no batch is with a worker."""
    installation.revive()
    return not installation.count("SELECT count(*) FROM batches WHERE status = 'sending'")


def test_each_row_of_a_campaign_that_is_paused_killed_resumed_and_aborted_agrees_with_the_carriers_log(
    installation: Installation, shell: Shell, tmp_path: Path
) -> None:
    with far_ends(installation, "http", SETTINGS, PORTION, alpha=SLOW, beta=SLOW):
        # so that rows are left to be fenced
        installation.environment["POSTROAD_CAMPAIGN_AHEAD"] = str(ROWS // 5)
        installation.world.run("DELETE FROM routes")
        shell("route", "add", "NG", "alpha")
        shell("route", "add", "GH", "beta")
        installation.start(*PROCESSES)
        # two of the rows are not sent
        text = ("--name", "spring", "--text", "Hello ${name}!", "--from", "ACME")
        shell("campaign", "create", people(tmp_path / "people.csv"), *text, code=1)
        shell("campaign", "approve", "spring")
        shell("campaign", "start", "spring")
        await_taken(installation, ROWS // 10)

        shell("campaign", "pause", "spring")
        wait_for(lambda: is_still(installation), 60, why="what was handed over is answered")
        paused_at = sum(taken(installation).values())
        for name in ("worker", "carriers"):
            installation.kill(name)
            installation.start(name)
        installation.await_ready("worker")
        await_ticks(installation, 2)
        assert sum(taken(installation).values()) == paused_at < ROWS

        shell("campaign", "resume", "spring")
        await_taken(installation, ROWS // 3)
        installation.kill("carriers")
        installation.kill("worker")
        installation.start("worker", "carriers")
        await_taken(installation, ROWS // 2)

        shell("campaign", "abort", "spring")
        wait_for(lambda: _is_over(installation), 120, why="nothing of the campaign waits")
        results = list(csv.DictReader(io.StringIO(shell("campaign", "results", "spring", "--numbers"))))

    compare(installation, results)
    assert [found for found in audit(installation.world.rt) if found.broken] == []


def _is_over(installation: Installation) -> bool:
    installation.revive()
    installation.nudge()
    return not installation.count("SELECT count(*) FROM batches WHERE status <> 'done'")


def compare(installation: Installation, results: list[dict[str, Any]]) -> None:
    """Compare the results file with the log and with the file that was loaded."""
    log = taken(installation)
    unknown = set(installation.rows("SELECT message_id FROM provider_attempts WHERE outcome = 'unknown'"))
    assert [int(row["line"]) for row in results] == list(range(2, ROWS + 2))
    assert [row["correlation_id"] for row in results if row["line"] != "22"] == [
        f"row-{place}" for place in range(ROWS) if place != 20
    ]
    outcomes = Counter(row["outcome"] for row in results)
    assert {row["verdict"] for row in results if row["outcome"] == "skipped"} == {"phone_invalid", "duplicate"}
    assert outcomes["skipped"] == 2
    assert outcomes["fenced"] > 0
    assert set(outcomes) == {"sent", "skipped", "fenced"}
    for row in results:
        message = UUID(row["message"]) if row["message"] else None
        assert (row["outcome"] == "sent") == (message is not None)
        if message is None:
            continue
        if message in unknown:
            assert log.pop(message, 0) <= 1
        elif row["status"] in ("sent", "delivered"):
            assert log.pop(message) == 1
        else:
            assert row["status"] == "cancelled"
            assert message not in log
    assert not log
