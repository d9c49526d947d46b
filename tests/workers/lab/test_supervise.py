"""The supervisor, with real processes."""

import io
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from pipeline.errors import ConfigurationError, PostroadError
from workers.lab.supervisor.supervise import ChildProcess, StopTimeouts, supervise
from workers.processes.free_port import require_free
from workers.processes.procfile import read_procfile, shell

#: appends its moves to the file `moves` and ends well when told to, after `slow` seconds
GOOD = """
import os, signal, sys, time
def note(word):
    with open(os.environ["MOVES"], "a") as moves:
        moves.write(f"{sys.argv[1]} {word}\\n")
def end(*_):
    time.sleep(float(sys.argv[2]))
    note("ends")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
note("starts")
print("hello from", sys.argv[1])
while True:
    signal.pause()
"""
DEAF = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf")
while True:
    signal.pause()
"""

QUICK = StopTimeouts(grace=10, ready=10, settled=30, first_pause=0.05, longest_pause=0.1, quick_deaths=3)


class Stage:
    """A folder for the processes' notes, and what the supervisor said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.moves = folder / "moves"
        self.moves.touch()
        self.out = io.StringIO()

    def good(self, name: str, slow: float = 0, ready: Callable[[], bool] | None = None) -> ChildProcess:
        return ChildProcess(name, [sys.executable, "-c", GOOD, name, str(slow)], {"MOVES": str(self.moves)}, ready)

    def noted(self) -> list[str]:
        return self.moves.read_text().splitlines()

    def has(self, *notes: str) -> Callable[[], bool]:
        return lambda: set(notes) <= set(self.noted())

    def run(self, *processes: ChildProcess, timeouts: StopTimeouts = QUICK, logs: Path | None = None) -> int:
        return supervise(processes, timeouts=timeouts, out=self.out, logs=logs)


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@contextmanager
def once(fact: Callable[[], bool], then: Callable[[], None]) -> Iterator[None]:
    """Do something from another thread as soon as a fact is true."""

    def wait() -> None:
        if eventually(fact):
            then()

    thread = threading.Thread(target=wait)
    thread.start()
    yield
    thread.join()


def eventually(fact: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def test_processes_start_in_order_and_stop_in_reverse(stage: Stage) -> None:
    second = stage.good("second", slow=0.3, ready=stage.has("second starts"))
    with once(stage.has("third starts"), stop):
        code = stage.run(stage.good("first", ready=stage.has("first starts")), second, stage.good("third"))

    assert code == 0
    starts = ["first starts", "second starts", "third starts"]
    assert stage.noted() == [*starts, "third ends", "second ends", "first ends"]


def test_processes_marked_beside_are_stopped_concurrently(stage: Stage) -> None:
    second = replace(stage.good("second", ready=stage.has("second starts")), beside=True)
    third = replace(stage.good("third", slow=1.5, ready=stage.has("third starts")), beside=True)
    with once(stage.has("fourth starts"), stop):
        stage.run(stage.good("first", ready=stage.has("first starts")), second, third, stage.good("fourth"))

    fourth, *others, last = stage.noted()[4:]
    assert (fourth, last) == ("fourth ends", "third ends")
    assert set(others) == {"second ends", "first ends"}


def test_the_next_process_waits_until_the_one_before_is_ready(stage: Stage) -> None:
    began = time.monotonic()
    seen: list[float] = []

    def ready() -> bool:
        return time.monotonic() - began > 0.5

    def look() -> None:
        seen.append(time.monotonic() - began)
        stop()

    with once(stage.has("second starts"), look):
        stage.run(stage.good("first", ready=ready), stage.good("second"))

    assert seen[0] > 0.5


def test_a_process_that_does_not_become_ready_ends_the_supervisor(stage: Stage) -> None:
    timeouts = StopTimeouts(ready=0.5)

    code = stage.run(stage.good("first", ready=lambda: False), stage.good("second"), timeouts=timeouts)

    assert code == 1
    assert "first is not ready after 0.5 s" in stage.out.getvalue()
    assert "second starts" not in stage.noted()


def test_when_up_is_called_once_all_processes_are_ready(stage: Stage) -> None:
    reported: list[list[str]] = []
    first = stage.good("first", ready=stage.has("first starts"))

    def up() -> None:
        reported.append(stage.noted())
        stop()

    supervise([first], timeouts=QUICK, out=stage.out, when_up=up)

    assert reported == [["first starts"]]


def test_each_line_of_output_begins_with_the_name_of_its_process(stage: Stage) -> None:
    with once(lambda: "from lane" in stage.out.getvalue() and "from worker" in stage.out.getvalue(), stop):
        stage.run(stage.good("worker"), stage.good("lane"))

    assert "worker   | hello from worker\n" in stage.out.getvalue()
    assert "lane     | hello from lane\n" in stage.out.getvalue()


def test_an_unterminated_line_of_output_is_shown(stage: Stage) -> None:
    stage.run(ChildProcess("mute", shell("printf unended; exit 3")))

    assert "mute     | unended\n" in stage.out.getvalue()


def test_output_can_be_written_to_a_log_file_for_each_process(stage: Stage) -> None:
    logs = stage.folder / "logs"

    with once(lambda: (logs / "worker.log").exists() and "hello" in (logs / "worker.log").read_text(), stop):
        stage.run(stage.good("worker"), logs=logs)

    assert (logs / "worker.log").read_text() == "hello from worker\n"
    assert "hello" not in stage.out.getvalue()


def test_a_process_that_dies_is_restarted(stage: Stage) -> None:
    command = f"echo x >> {stage.moves}; [ $(wc -l < {stage.moves}) -ge 2 ] || kill -9 $$; exec sleep 60"
    with once(lambda: len(stage.noted()) == 2, stop):
        code = stage.run(ChildProcess("frail", ["/bin/sh", "-c", command]))

    assert code == 0
    assert "frail was killed by SIGKILL; restarting in 0.05 s" in stage.out.getvalue()


def test_a_process_that_keeps_dying_ends_the_supervisor(stage: Stage) -> None:
    steady = stage.good("steady", ready=stage.has("steady starts"))

    code = stage.run(steady, ChildProcess("broken", shell("false")))

    assert code == 1
    assert "broken ended with code 1, 3 times in a row right after its start: giving up" in stage.out.getvalue()
    assert stage.noted() == ["steady starts", "steady ends"]


def test_a_missing_command_is_reported(stage: Stage) -> None:
    assert stage.run(ChildProcess("typo", ["/no/such/command"])) == 1

    assert "/no/such/command: No such file or directory" in stage.out.getvalue()


def test_a_process_that_does_not_stop_is_killed_after_the_grace_period(stage: Stage) -> None:
    timeouts = StopTimeouts(grace=0.5)

    with once(lambda: "| deaf" in stage.out.getvalue(), stop):
        code = stage.run(ChildProcess("stuck", [sys.executable, "-c", DEAF]), timeouts=timeouts)

    assert code == 0
    assert "killing stuck: it did not stop in 0.5 s" in stage.out.getvalue()


def test_a_second_signal_kills_the_processes_at_once(stage: Stage) -> None:
    began = time.monotonic()

    with once(lambda: "| deaf" in stage.out.getvalue(), stop), once(lambda: "stopping" in stage.out.getvalue(), stop):
        stage.run(ChildProcess("stuck", [sys.executable, "-c", DEAF]), timeouts=StopTimeouts(grace=60))

    assert time.monotonic() - began < 30
    assert "killing stuck: second signal" in stage.out.getvalue()


def test_child_processes_of_a_dead_process_are_killed(stage: Stage) -> None:
    """As the children of a worker whose parent the kernel killed."""
    command = f"sleep 987 & echo $! >> {stage.moves}; kill -9 $$"

    stage.run(ChildProcess("parent", ["/bin/sh", "-c", command]))

    assert len(stage.noted()) == 3
    assert eventually(lambda: not any(_lives(int(pid)) for pid in stage.noted()))


def test_the_previous_signal_handlers_are_restored(stage: Stage) -> None:
    before = signal.getsignal(signal.SIGTERM)

    stage.run(ChildProcess("broken", shell("false")))

    assert signal.getsignal(signal.SIGTERM) is before


SUPERVISOR = """
import sys
from workers.lab.supervisor.supervise import ChildProcess, supervise
supervise([ChildProcess(name, [sys.executable, "-c", sys.argv[1], name, "0"]) for name in ("first", "second")])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG is Linux's")
def test_a_killed_supervisor_leaves_no_orphan_processes(stage: Stage) -> None:
    command = [sys.executable, "-c", SUPERVISOR, GOOD]
    environment = os.environ | {"MOVES": str(stage.moves)}

    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as supervisor:
        assert eventually(stage.has("first starts", "second starts"))
        children = [one.pid for one in psutil.Process(supervisor.pid).children()]
        supervisor.kill()

    assert len(children) == 2
    assert eventually(lambda: not any(_lives(pid) for pid in children))
    assert {"first ends", "second ends"} <= set(stage.noted())


def test_a_closed_output_pipe_stops_the_supervisor(stage: Stage) -> None:
    """As in `postroad up | head`."""
    command = [sys.executable, "-c", SUPERVISOR, GOOD]
    environment = os.environ | {"MOVES": str(stage.moves)}

    read, write = os.pipe()
    os.close(read)
    with subprocess.Popen(command, env=environment, stdout=write, stderr=subprocess.DEVNULL) as supervisor:
        os.close(write)
        assert supervisor.wait(30) is not None

    assert stage.noted().count("first starts") == stage.noted().count("first ends")


def test_a_taken_port_is_reported_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} \(POSTROAD_PORT\).*set POSTROAD_PORT to another"):
            require_free("127.0.0.1", port, "POSTROAD_PORT")

    require_free("127.0.0.1", port, "POSTROAD_PORT")


def test_a_procfile_is_read_in_order(tmp_path: Path) -> None:
    (tmp_path / "Procfile").write_text("# words\n\nweb: serve --port ${PORT:-1}\nclock:  tick\n")

    assert read_procfile(tmp_path / "Procfile") == {"web": "serve --port ${PORT:-1}", "clock": "tick"}


@pytest.mark.parametrize("line", ["no colon", "web:", "web: again", "two words: run"])
def test_an_invalid_line_of_a_procfile_is_reported(tmp_path: Path, line: str) -> None:
    (tmp_path / "Procfile").write_text(f"web: serve\n{line}\n")

    with pytest.raises(ConfigurationError, match="Procfile:2"):
        read_procfile(tmp_path / "Procfile")


def _lives(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def test_a_failed_watch_function_ends_the_supervisor_with_its_reason(stage: Stage) -> None:
    looks = iter([["PostgreSQL ended; restarting"], []])

    def watch() -> list[str]:
        found = next(looks, None)
        if found is None:
            raise PostroadError("PostgreSQL did not start: the disk is full")
        return found

    code = supervise([stage.good("a")], timeouts=QUICK, out=stage.out, watch=watch)

    assert code == 1
    assert "PostgreSQL ended; restarting" in stage.out.getvalue()
    assert "the disk is full: giving up" in stage.out.getvalue()
