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
from pipeline.stages.placement import all_placements
from schema.vocabulary import Placement
from workers.processes.parent_death_signal import with_parent_death_signal

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
    placement: Placement
    started_at: float
    pause: float = _FIRST_PAUSE


class CarrierProcesses:
    """The carriers' processes of this machine."""

    def __init__(self, wanted: Callable[[], Mapping[str, Placement]], command: Callable[[str], list[str]]) -> None:
        """Take what says which there should be and where they carry, and the command of each."""
        self._wanted = wanted
        self._command = command
        self._children: dict[str, _Child] = {}

    def look(self) -> None:
        """Start what is missing, end what is not wanted any more."""
        wanted = self._wanted()
        self._end([name for name, child in self._children.items() if child.placement is not wanted.get(name)])
        for name, placement in wanted.items():
            child = self._children.get(name)
            if child is None:
                self._children[name] = self._start(name, placement, _FIRST_PAUSE)
            elif child.popen.poll() is not None and time.monotonic() > child.started_at + child.pause:
                settled = time.monotonic() - child.started_at > _SETTLED
                pause = _FIRST_PAUSE if settled else min(2 * child.pause, _LONGEST_PAUSE)
                log.warning("the process of carrier %s ended with %s; it starts again", name, child.popen.returncode)
                self._children[name] = self._start(name, placement, pause)

    def close(self) -> None:
        """End all of them: each has time to take its carrier's last answers."""
        self._end(list(self._children))

    def _start(self, name: str, placement: Placement, pause: float) -> _Child:
        popen = subprocess.Popen(with_parent_death_signal(self._command(name)), stdin=subprocess.DEVNULL)
        return _Child(popen, placement, time.monotonic(), pause)

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
    reported: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        reported.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    rt = Runtime(given)
    placements = CarrierProcesses(lambda: _wanted(rt), command)
    try:
        while not reported:
            try:
                placements.look()
            except DatabaseFault as fault:  # those that run go on
                log.warning("the carriers cannot be read: %s", fault)
            time.sleep(_LOOK)
    finally:
        placements.close()
        rt.close()


def command(name: str) -> list[str]:
    """Return what runs the process of one carrier."""
    return [sys.executable, "-m", "workers.carrier_workers.worker", name]


def _wanted(rt: Runtime) -> dict[str, Placement]:
    return {name: placement for name, placement in all_placements(rt).items() if placement is not Placement.SHARED}
