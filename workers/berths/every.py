"""Keeps a process for each carrier that needs one: started when it is added, again when it dies, ended when it goes.

One whose carrier becomes of another kind ends too, for another: the queues that it reads are others then.
"""

import logging
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import FrameType

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.moor import all_berths
from schema.vocabulary import Berth
from workers.processes.tether import tethered

log = logging.getLogger(__name__)

#: seconds between two looks at the carriers' rows
_LOOK = 1.0
#: seconds before a dead process is started again, doubled each time, at most the last; and after which it is no news
_FIRST_PAUSE, _LONGEST_PAUSE, _SETTLED = 1.0, 30.0, 30.0
#: seconds a process may take to end: longer than its own patience with its tasks
_GRACE = 30.0


@dataclass(slots=True)
class _Child:
    popen: "subprocess.Popen[bytes]"
    berth: Berth
    started_at: float
    pause: float = _FIRST_PAUSE


class Berths:
    """The carriers' processes of this machine."""

    def __init__(self, wanted: Callable[[], Mapping[str, Berth]], command: Callable[[str], list[str]]) -> None:
        """Take what says which there should be and where they carry, and the command of each."""
        self._wanted = wanted
        self._command = command
        self._children: dict[str, _Child] = {}

    def look(self) -> None:
        """Start what is missing, end what is not wanted any more."""
        wanted = self._wanted()
        self._end([name for name, child in self._children.items() if child.berth is not wanted.get(name)])
        for name, berth in wanted.items():
            child = self._children.get(name)
            if child is None:
                self._children[name] = self._start(name, berth, _FIRST_PAUSE)
            elif child.popen.poll() is not None and time.monotonic() > child.started_at + child.pause:
                settled = time.monotonic() - child.started_at > _SETTLED
                pause = _FIRST_PAUSE if settled else min(2 * child.pause, _LONGEST_PAUSE)
                log.warning("the process of carrier %s ended with %s; it starts again", name, child.popen.returncode)
                self._children[name] = self._start(name, berth, pause)

    def close(self) -> None:
        """End all of them: each has time to take its carrier's last answers."""
        self._end(list(self._children))

    def _start(self, name: str, berth: Berth, pause: float) -> _Child:
        popen = subprocess.Popen(tethered(self._command(name)), stdin=subprocess.DEVNULL)
        return _Child(popen, berth, time.monotonic(), pause)

    def _end(self, names: list[str]) -> None:
        ending = [self._children.pop(name).popen for name in names]
        for popen in ending:
            popen.terminate()
        deadline = time.monotonic() + _GRACE
        for popen in ending:
            try:
                popen.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()


def serve(given: Settings) -> None:
    """Keep the carriers' processes until told to stop."""
    told: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        told.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    rt = Runtime(given)
    berths = Berths(lambda: _wanted(rt), command)
    try:
        while not told:
            try:
                berths.look()
            except DatabaseFault as fault:  # those that run go on
                log.warning("the carriers cannot be read: %s", fault)
            time.sleep(_LOOK)
    finally:
        berths.close()
        rt.close()


def command(name: str) -> list[str]:
    """Return what runs the process of one carrier."""
    return [sys.executable, "-m", "workers.berths.one", name]


def _wanted(rt: Runtime) -> dict[str, Berth]:
    return {name: berth for name, berth in all_berths(rt).items() if berth is not Berth.SHARED}
