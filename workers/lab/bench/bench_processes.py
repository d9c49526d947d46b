"""The production processes of a bench: the Procfile's own lines, each with its log under `home`."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from pipeline.errors import PostroadError
from workers import logs
from workers.lab.bench.setup import BULK, BenchSetup
from workers.lab.supervisor.local_processes import connected, own_carriers
from workers.processes.child_environment import child_environment
from workers.processes.parent_death_signal import with_parent_death_signal
from workers.processes.procfile import IMPORTED_FROM, path_with_ours, read_procfile, shell

#: the processes of the Celery path
NEEDED = ("worker", "lane", "clock", "beat")
#: the process of connected carriers
CARRIERS = "carriers"

_SIMULATOR = [sys.executable, "-m", "workers.cli", "simulator", "--port", "0", "--smpp-port", "0"]
#: one carrier that accepts everything
_ACCEPTING: Mapping[str, Mapping[str, Any]] = {BULK: {}}


class BenchProcess:
    """One running process."""

    def __init__(self, name: str, argv: Sequence[str], env: Mapping[str, str], home: Path) -> None:
        self.name = name
        self.log = home / "logs" / f"{name}.log"
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(
                with_parent_death_signal(argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=IMPORTED_FROM,
                env={
                    **os.environ,
                    "PATH": path_with_ours(),
                    "PYTHONPATH": str(IMPORTED_FROM),
                    logs.LEVEL: logs.level("WARNING"),
                    **env,
                },
            )
        self.pid = self._popen.pid

    def check(self) -> None:
        """Raise PostroadError when it has ended."""
        if self._popen.poll() is not None:
            raise PostroadError(f"{self.name} ended with code {self._popen.returncode}: {self.output()[-2000:]}")

    def output(self) -> str:
        """Return its log so far."""
        return self.log.read_text(errors="replace")

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self._popen.terminate()

    def stop(self, seconds: float = 40) -> None:
        """Terminate it; kill it after a timeout."""
        self.terminate()
        try:
            self._popen.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._popen.wait()


@contextmanager
def workers(setup: BenchSetup, children: int) -> Iterator[list[BenchProcess]]:
    """Run the Procfile's worker, lane, clock and beat, and its carriers if one has its own process."""
    lines, settings = read_procfile(), setup.settings()
    env = {**child_environment(settings), "POSTROAD_CONCURRENCY": str(children)}
    needed = [*NEEDED, CARRIERS] if own_carriers(settings) else NEEDED
    with ExitStack() as stack:
        running = []
        for name in needed:
            process = BenchProcess(name, shell(lines[name]), env, setup.home)
            stack.callback(process.stop)
            running.append(process)
        wait(connected(settings), running)
        yield running
        for process in reversed(running):  # all at once: each takes a second or two to end
            process.terminate()


@contextmanager
def gateway(setup: BenchSetup, processes: int) -> Iterator[tuple[BenchProcess, int]]:
    """Run the Procfile's gateway with that many processes; yield it and its port."""
    settings = setup.settings()
    with socket.create_server((settings.gateway_host, 0)) as free:
        port = int(free.getsockname()[1])
    own = {"POSTROAD_GATEWAY_PORT": str(port), "POSTROAD_GATEWAY_PROCESSES": str(processes)}
    process = BenchProcess("gateway", shell(read_procfile()["gateway"]), child_environment(settings) | own, setup.home)
    try:
        wait(lambda: _listens(settings.gateway_host, port), [process])
        yield process, port
    finally:
        process.stop()


def _listens(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def simulator(
    setup: BenchSetup, scripts: Mapping[str, Mapping[str, Any]] = _ACCEPTING, log: Path | None = None
) -> Iterator[tuple[BenchProcess, str, str]]:
    """Run a simulator of carriers (name → script); yield it, its URL, and the host and port of its SMSC.

    Without scripts one carrier accepts everything. `log`: the file of its decisions.
    """
    carriers = [word for name, script in scripts.items() for word in ("--carrier", f"{name}={json.dumps(script)}")]
    logging = ["--log", str(log)] if log else []
    process = BenchProcess(
        "simulator_logged" if log else "simulator", [*_SIMULATOR, *carriers, *logging], {}, setup.home
    )
    try:
        wait(lambda: "smpp://" in process.output(), [process])
        output = process.output()
        yield process, output.split("listens on ")[1].split(": ")[0], output.split("smpp://")[1].split()[0]
    finally:
        process.stop()


def roots_of(setup: BenchSetup, processes: Sequence[BenchProcess]) -> dict[str, int]:
    """Return name → pid of these processes and of the servers."""
    servers = {"postgresql": setup.servers.postgres, "valkey": setup.servers.valkey}
    return {process.name: process.pid for process in processes} | {
        name: server.process.pid for name, server in servers.items() if server and server.process
    }


def wait(
    done: Callable[[], bool], processes: Sequence[BenchProcess], timeout: float = 120, pause: float = 0.02
) -> float:
    """Wait until `done`; return the time in seconds since 1970. PostroadError after a timeout or a process's death."""
    deadline = time.monotonic() + timeout
    while not done():
        for process in processes:
            process.check()
        if time.monotonic() > deadline:
            logs = "\n".join(f"{each.name}: {each.output()[-1000:]}" for each in processes)
            raise PostroadError(f"not done after {timeout:g} s\n{logs}")
        time.sleep(pause)
    return time.time()
