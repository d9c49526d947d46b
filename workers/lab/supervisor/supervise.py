"""The process supervisor: starts processes in order, shows their output, restarts them, stops them in reverse order.

Processes marked `beside` are stopped together with the one before them.

Each process leads its own session, so a Ctrl-C reaches the supervisor alone and the stop stays orderly. On Linux a
process gets SIGTERM when the supervisor is gone, even after a kill -9 (workers/processes/parent_death_signal.py).
"""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

from pipeline.errors import PostroadError
from workers.processes.parent_death_signal import with_parent_death_signal
from workers.processes.procfile import path_with_ours

_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_TICK = 0.1
_LONGEST_LINE = 65_536


@dataclass(frozen=True, slots=True)
class ChildProcess:
    """A process to run."""

    name: str
    argv: Sequence[str]
    #: added to this process's own environment
    env: Mapping[str, str] = field(default_factory=dict)
    #: whether the next process may start; None: at once
    ready: Callable[[], bool] | None = None
    #: whether it is stopped together with the one before it
    beside: bool = False


@dataclass(frozen=True, slots=True)
class StopTimeouts:
    """How long the supervisor waits, in seconds."""

    #: for a process to end after SIGTERM; longer than `worker_soft_shutdown_timeout` in workers/app.py
    grace: float = 40
    #: for a process to become ready
    ready: float = 60
    #: uptime after which a process counts as started
    settled: float = 10
    #: before a dead process is restarted: the first pause, doubled each time, at most `longest_pause`
    first_pause: float = 1
    longest_pause: float = 30
    #: consecutive deaths, each within `settled`, after which everything is stopped
    quick_deaths: int = 5


@dataclass(slots=True)
class _Child:
    process: ChildProcess
    colour: int
    popen: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0
    #: when to restart it; None: it runs, or was never started
    due_at: float | None = None
    quick_deaths: int = 0
    output: bytes = b""

    @property
    def runs(self) -> bool:
        return self.popen is not None and self.popen.poll() is None


def supervise(
    processes: Sequence[ChildProcess],
    *,
    timeouts: StopTimeouts | None = None,
    logs: Path | None = None,
    out: TextIO | None = None,
    when_up: Callable[[], None] | None = None,
    watch: Callable[[], Iterable[str]] = tuple,
) -> int:
    """Run the processes until a signal (SIGINT, SIGTERM, SIGHUP) or until one cannot be kept alive; return 0 or 1.

    Their output goes to `out`, each line with its process's name before it, or with `logs` to a file each. `when_up` is
    called once all of them are started and ready; `watch` repeatedly, for lines to show about what else must run; a
    PostroadError from it stops everything. A second signal during the stop kills what is left. Call it from the main
    thread.
    """
    return _Supervisor(processes, timeouts or StopTimeouts(), logs, out or sys.stdout, when_up, watch).run()


class _Supervisor:
    def __init__(
        self,
        processes: Sequence[ChildProcess],
        timeouts: StopTimeouts,
        logs: Path | None,
        out: TextIO,
        when_up: Callable[[], None] | None,
        watch: Callable[[], Iterable[str]],
    ) -> None:
        self.children = [_Child(one, _COLOURS[i % len(_COLOURS)]) for i, one in enumerate(processes)]
        self.timeouts = timeouts
        self.logs = logs
        self.out: TextIO | None = out
        self.when_up = when_up
        self.watch = watch
        self.width = max([len("postroad"), *(len(one.name) for one in processes)])
        self.coloured = out.isatty() and "NO_COLOR" not in os.environ
        self.selector = selectors.DefaultSelector()
        self.signals = 0
        self.failed = False

    @property
    def stopping(self) -> bool:
        return self.failed or self.signals > 0

    def run(self) -> int:
        with self._signals(), self.selector:
            try:
                self._start_all()
                while not self.stopping:
                    self._tick()
            finally:
                self._stop_all()
        return int(self.failed)

    # starting ---------------------------------------------------------------------------------------------------

    def _start_all(self) -> None:
        for child in self.children:
            if not self.stopping:
                self._start(child)
                self._await(child)
        if self.when_up and not self.stopping:
            self.when_up()

    def _start(self, child: _Child) -> None:
        environment = {**os.environ, "PATH": path_with_ours(), "PYTHONUNBUFFERED": "1", **child.process.env}
        with self._output(child) as output:
            child.popen = subprocess.Popen(
                with_parent_death_signal(child.process.argv),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )
        child.started_at, child.due_at = time.monotonic(), None

    @contextlib.contextmanager
    def _output(self, child: _Child) -> Iterator[int]:
        """Yield the descriptor a child writes to: its log, or a pipe that we read."""
        if self.logs:
            self.logs.mkdir(parents=True, exist_ok=True)
            with (self.logs / f"{child.process.name}.log").open("ab") as file:
                yield file.fileno()
            return
        read, write = os.pipe()
        os.set_blocking(read, False)
        self.selector.register(read, selectors.EVENT_READ, child)
        try:
            yield write
        finally:
            os.close(write)

    def _await(self, child: _Child) -> None:
        deadline = time.monotonic() + self.timeouts.ready
        while child.process.ready and not self.stopping and not (child.runs and child.process.ready()):
            self._tick()
            if time.monotonic() > deadline:
                self._say(f"{child.process.name} is not ready after {self.timeouts.ready:g} s: giving up")
                self.failed = True

    # running ----------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._read_output()
        self._check_watched()
        for child in self.children:
            if child.popen and not child.runs:
                self._handle_death(child)
            elif child.due_at is not None and time.monotonic() >= child.due_at and not self.stopping:
                self._start(child)

    def _check_watched(self) -> None:
        """Show what `watch` reports, and stop everything when it fails."""
        try:
            for line in self.watch():
                self._say(line)
        except PostroadError as error:
            self._say(f"{error}: giving up")
            self.failed = True

    def _handle_death(self, child: _Child) -> None:
        """Show that it died and set when it restarts; or give up."""
        ended = self._reap(child)
        settled = time.monotonic() - child.started_at >= self.timeouts.settled
        child.quick_deaths = 1 if settled else child.quick_deaths + 1
        if child.quick_deaths >= self.timeouts.quick_deaths:
            self._say(
                f"{child.process.name} {ended}, {child.quick_deaths} times in a row right after its start: giving up"
            )
            self.failed = True
            return
        pause = min(self.timeouts.first_pause * 2 ** (child.quick_deaths - 1), self.timeouts.longest_pause)
        self._say(f"{child.process.name} {ended}; restarting in {pause:g} s")
        child.due_at = time.monotonic() + pause

    def _reap(self, child: _Child) -> str:
        """Kill the rest of a dead process's group, and return how it ended."""
        assert child.popen is not None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.popen.pid, signal.SIGKILL)
        self._read_output(0)
        code = child.popen.wait()
        child.popen = None
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"

    # stopping ---------------------------------------------------------------------------------------------------

    def _stop_all(self) -> None:
        if any(child.runs for child in self.children):
            self._say("stopping")
        stopping: list[_Child] = []
        for child in reversed(self.children):
            if child.popen is not None:
                child.popen.terminate()
                stopping.append(child)
            if not child.process.beside:
                self._await_end(stopping)
                stopping.clear()
        self._await_end(stopping)
        while self.selector.get_map():
            for key in list(self.selector.get_map().values()):
                self._close(key.fd, key.data)

    def _await_end(self, stopping: Sequence[_Child]) -> None:
        """Wait until these processes have ended; kill those that do not."""
        deadline = time.monotonic() + self.timeouts.grace
        while any(child.runs for child in stopping) and time.monotonic() < deadline and self.signals < 2:
            self._read_output()
        for child in stopping:
            if child.runs:
                why = "second signal" if self.signals >= 2 else f"it did not stop in {self.timeouts.grace:g} s"
                self._say(f"killing {child.process.name}: {why}")
            self._reap(child)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        def count(number: int, frame: FrameType | None) -> None:
            self.signals += 1

        before = {number: signal.signal(number, count) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    # showing ----------------------------------------------------------------------------------------------------

    def _read_output(self, seconds: float = _TICK) -> None:
        """Show the children's output within that time; returns after some output."""
        if not self.selector.get_map():
            time.sleep(seconds)
        for key, _ in self.selector.select(seconds):
            try:
                output = os.read(key.fd, _LONGEST_LINE)
            except BlockingIOError:
                continue
            if not output:
                self._close(key.fd, key.data)
                continue
            *lines, rest = (key.data.output + output).split(b"\n")
            if len(rest) >= _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            key.data.output = rest
            for line in lines:
                self._show(key.data.process.name, line.decode(errors="replace"), key.data.colour)

    def _close(self, descriptor: int, child: _Child) -> None:
        self.selector.unregister(descriptor)
        os.close(descriptor)
        if child.output:
            self._show(child.process.name, child.output.decode(errors="replace"), child.colour)
            child.output = b""

    def _say(self, words: str) -> None:
        self._show("postroad", words, 1)

    def _show(self, name: str, line: str, colour: int) -> None:
        before = f"{name:<{self.width}} |"
        if self.coloured:
            before = f"\x1b[{colour}m{before}\x1b[0m"
        try:
            if self.out:
                print(before, line.rstrip("\r"), file=self.out, flush=True)
        except BrokenPipeError:  # our output is closed: stop, and write no more
            self.out = None
            self.failed = True
