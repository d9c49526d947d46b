"""`postroad health`: each process of the Procfile, at work, stopped and killed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil
import pytest

from tests.forked_processes import ForkedProcess, forked, procfile
from tests.workers.conftest import Eventually, Site
from workers.processes.health_checks import HEARTBEATS, HTTP, TURN, WORK, fault
from workers.processes.heartbeat_file import PERIOD, Heartbeat, records
from workers.processes.procfile import path_with_ours, read_procfile

#: the settings of a carrier that is never asked
NOBODY = '{"base_url": "http://127.0.0.1:9"}'

#: how old a sign may be, of processes that are stopped
SOON = 2 * PERIOD
#: seconds to wait for all processes: a busy machine starts them slowly
LONGEST = 180


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


@pytest.fixture(scope="module")
def environment(site: Site) -> dict[str, str]:
    return site.environment | {
        "PATH": path_with_ours(),
        "POSTROAD_CONCURRENCY": "1",
        "POSTROAD_GATEWAY_PORT": free_port(),
        "POSTROAD_FLOWER_PORT": free_port(),
        "POSTROAD_CONSOLE_PORT": free_port(),
        "POSTROAD_METRICS_PORT": free_port(),
        "POSTROAD_SECRET_KEY": "a secret of these tests, long enough",
        "POSTROAD_FLOWER_BASIC_AUTH": "ops:secret",
    }


@pytest.fixture(scope="module")
def running(site: Site, environment: dict[str, str]) -> Iterator[dict[str, ForkedProcess]]:
    """Yield the process of each line of the Procfile, and that of the carrier alpha."""
    site.world.add_carrier("alpha")
    site.world.run("UPDATE carriers SET kind = 'http', settings = %(given)s WHERE name = 'alpha'", given=NOBODY)
    started = {
        name: forked().start(procfile(name, environment), log=site.folder / f"{name}.log", environment=environment)
        for name in read_procfile()
    }
    yield started
    for process in started.values():
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.wait(20)


def faults(environment: Mapping[str, str], within: float | None = None) -> dict[str, str]:
    return {name: words for name in read_procfile() if (words := fault(name, environment, within))}


@pytest.mark.timeout(600)
def test_health_of_each_process_follows_whether_it_does_its_work(
    running: dict[str, ForkedProcess], environment: dict[str, str], site: Site, eventually: Eventually
) -> None:
    eventually(lambda: records(site.folder, "carriers/alpha") != [] and faults(environment) == {}, LONGEST)
    assert [health("worker", environment), health("gateway", environment)] == [(0, "fine\n")] * 2
    assert health("carriers", environment, "alpha") == (0, "fine\n")

    [alpha] = records(site.folder, "carriers/alpha")
    pool = [child.pid for child in psutil.Process(running["lane"].pid).children()]
    stopped = {name: [process.pid] for name, process in running.items()} | {"carriers": [alpha.pid], "lane": pool}
    signal_each(stopped, signal.SIGSTOP)
    eventually(lambda: len(faults(environment, SOON)) == len(stopped), LONGEST)

    found = faults(environment, SOON)
    for name in ("worker", "clock", "beat", "notifier"):
        assert f"{name}: process {running[name].pid} stands still: its loop last ran" in found[name]
    assert f"carriers/alpha: process {alpha.pid} stands still" in found["carriers"]
    assert "does nothing: its pool finished something" in found["lane"]
    for name in HTTP:
        assert f"does not answer within {SOON:g} s" in found[name]

    signal_each(stopped, signal.SIGCONT)
    eventually(lambda: faults(environment) == {}, LONGEST)

    for process in running.values():
        process.kill()
        process.wait(20)
    found = faults(environment)
    for name in HEARTBEATS:
        assert found[name] == f"{name}: process {running[name].pid} has ended"
    for name in HTTP:
        assert "cannot be asked" in found[name]
    assert health("beat", environment) == (1, f"{found['beat']}\n")


def signal_each(processes: Mapping[str, Sequence[int]], number: signal.Signals) -> None:
    for pids in processes.values():
        for pid in pids:
            os.kill(pid, number)


def health(name: str, environment: Mapping[str, str], *more: str) -> tuple[int, str]:
    argv = [sys.executable, "-m", "workers.cli", "health", name, *more]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    return said.returncode, said.stdout


def test_each_line_of_the_procfile_has_a_check() -> None:
    assert {*HTTP, *HEARTBEATS} == set(read_procfile())


def test_the_command_imports_neither_celery_nor_the_database_nor_the_settings() -> None:
    code = "import sys; from workers.cli.commands import health; print(*sys.modules)"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert {"celery", "kombu", "sqlalchemy", "pydantic", "redis"} & set(said.stdout.split()) == set()


# The file --------------------------------------------------------------------------------------------------------


def beating(home: Path) -> dict[str, str]:
    Heartbeat(home, "worker").beat()
    return {"POSTROAD_HOME": str(home)}


def rewrite(home: Path, **changes: float) -> None:
    path = home / f"health/worker.{os.getpid()}"
    now = time.monotonic()
    content = {"looped_at": now, "worked_at": now} | changes
    path.write_text("{" + "".join(f'"{name}": {at}, ' for name, at in content.items()) + '"children": []}')


def test_a_process_without_a_heartbeat_does_not_run_here(tmp_path: Path) -> None:
    said = fault("worker", {"POSTROAD_HOME": str(tmp_path)})

    assert said == f"worker does not run here: it has no heartbeat in {tmp_path}/health"


@pytest.mark.parametrize(
    ("looped", "worked", "words"),
    [
        (0, 0, None),
        (TURN - 5, WORK - 5, None),
        (TURN + 5, 0, f"stands still: its loop last ran {TURN + 5:.0f} s ago"),
        (0, WORK + 5, f"does nothing: its pool finished something {WORK + 5:.0f} s ago"),
        (-3600, -3600, "has ended"),
    ],
    ids=["now", "just in time", "an old turn", "old work", "before this host was restarted"],
)
def test_a_heartbeat_gets_old(tmp_path: Path, looped: float, worked: float, words: str | None) -> None:
    environment, now = beating(tmp_path), time.monotonic()

    rewrite(tmp_path, looped_at=now - looped, worked_at=now - worked)

    assert fault("worker", environment) == (words and f"worker: process {os.getpid()} {words}")


def test_a_new_process_removes_the_heartbeat_of_a_killed_one_and_no_other(tmp_path: Path) -> None:
    environment = beating(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    for name in ("worker", "lane"):
        (tmp_path / f"health/{name}.{ended.pid}").write_text('{"looped_at": 1, "worked_at": 1, "children": []}')
    assert fault("worker", environment)

    Heartbeat(tmp_path, "worker")

    assert fault("worker", environment) is None
    assert len(records(tmp_path, "lane")) == 1


def test_a_heartbeat_that_cannot_be_written_hinders_nothing(tmp_path: Path) -> None:
    (tmp_path / "health").write_text("in the way")

    Heartbeat(tmp_path, "worker").beat()

    assert "does not run here" in (fault("worker", {"POSTROAD_HOME": str(tmp_path)}) or "")
