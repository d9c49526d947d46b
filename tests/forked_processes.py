"""Product processes as forks of tests/fork_server.py, with an interface like `subprocess.Popen`."""

import atexit
import functools
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from workers.processes.parent_death_signal import with_parent_death_signal
from workers.processes.procfile import path_with_ours, read_procfile

ROOT = Path(__file__).resolve().parent.parent


class ForkedProcess:
    """One forked process, with the part of `subprocess.Popen` that tests use."""

    def __init__(self, forked: "Forked", pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._forked = forked

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        if self.returncode is None:
            self._forked.listen(0)
        return self.returncode

    def wait(self, timeout: float) -> int:
        """Return its exit code once it has ended; TimeoutExpired after a timeout."""
        deadline = time.monotonic() + timeout
        while self.returncode is None:
            left = deadline - time.monotonic()
            if left < 0:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            self._forked.listen(left)
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it runs."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Send it SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send it SIGKILL."""
        self.send_signal(signal.SIGKILL)


class Forked:
    """The client of one fork server, which is started at the first request."""

    def __init__(self) -> None:
        self._fork_server: subprocess.Popen[bytes] | None = None
        self._received = b""
        self._forked: list[ForkedProcess] = []
        self._alive: dict[int, ForkedProcess] = {}

    def start(
        self, argv: Sequence[str], *, log: Path, environment: Mapping[str, str], folder: Path = ROOT
    ) -> ForkedProcess:
        """Start a process that runs `argv` (as in the Procfile), its output appended to the log; return it."""
        fork_server = self._fork_server = self._fork_server or self._made()
        assert fork_server.stdin
        order = {
            "nest": fork_server.pid,
            "argv": list(argv),
            "log": str(log),
            "environment": dict(environment),
            "folder": str(folder),
        }
        log.touch()
        fork_server.stdin.write(json.dumps(order).encode() + b"\n")
        fork_server.stdin.flush()
        while not self._forked:
            self.listen(60)
        return self._forked.pop()

    def listen(self, seconds: float) -> None:
        """Process the fork server's responses for up to that time."""
        assert self._fork_server
        assert self._fork_server.stdout
        if not select.select([self._fork_server.stdout], [], [], seconds)[0]:
            return
        more = os.read(self._fork_server.stdout.fileno(), 1 << 16)
        assert more, f"the nest ended with {self._fork_server.wait(10)}"
        *lines, self._received = (self._received + more).split(b"\n")
        for line in lines:
            self._take(json.loads(line))

    def close(self) -> None:
        """Stop the fork server, and with it all its forks."""
        if self._fork_server:
            self._fork_server.kill()
            self._fork_server.communicate()

    def _made(self) -> "subprocess.Popen[bytes]":
        argv = with_parent_death_signal(
            [sys.executable, str(Path(__file__).with_name("fork_server.py"))], stop_signal=signal.SIGKILL
        )
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)

    def _take(self, said: dict[str, Any]) -> None:
        if "forked" in said:
            made = self._alive[said["forked"]] = ForkedProcess(self, said["forked"])
            self._forked.append(made)
        elif ended := self._alive.pop(said["ended"], None):
            ended.returncode = said["code"]


@functools.cache
def forked() -> Forked:
    """Return this process's fork server."""
    made = Forked()
    atexit.register(made.close)
    return made


def started(line: str, log: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a Procfile line without forking, as the containers do; return the process."""
    command = [sys.executable, "-m", "workers.processes.procfile", line]
    argv = with_parent_death_signal(command, stop_signal=signal.SIGKILL)
    with log.open("ab") as output:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(environment),
        )


def expanded(line: str, environment: Mapping[str, str]) -> list[str]:
    """Return the arguments of a Procfile line, expanded as by a shell."""
    said = subprocess.run(
        ["/bin/sh", "-c", f"printf '%s\\0' {line}"], env=dict(environment), check=True, capture_output=True, text=True
    )
    return said.stdout.split("\0")[:-1]


def procfile(line: str, environment: Mapping[str, str]) -> list[str]:
    """Return the arguments of a Procfile line by name, with arguments appended: "carriers alpha"."""
    name, _, more = line.partition(" ")
    return expanded(f"{read_procfile()[name]} {more}", dict(environment) | {"PATH": path_with_ours()})
