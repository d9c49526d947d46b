"""Keeps one process per connected carrier: started when it is added, restarted when it dies, stopped when removed.

A process is also replaced when its carrier's placement changes, because it then reads other queues.
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
from pipeline.stages.carrier_placement import all_placements
from schema.vocabulary import Placement
from workers.processes.heartbeat_file import Heartbeat
from workers.processes.parent_death_signal import with_parent_death_signal

log = logging.getLogger(__name__)

#: seconds between two reads of the carriers' rows
_LOOK = 1.0
#: seconds before a dead process restarts, doubled each time up to the second; uptime after which that starts over
_FIRST_PAUSE, _LONGEST_PAUSE, _SETTLED = 1.0, 30.0, 30.0
#: seconds a process may take to stop: longer than the time it gives its own tasks
_GRACE = 30.0


@dataclass(slots=True)
class _Child:
    popen: "subprocess.Popen[bytes]"
    placement: Placement
    started_at: float
    pause: float = _FIRST_PAUSE


class CarrierProcesses:
    """The carrier processes of this machine."""

    def __init__(self, wanted: Callable[[], Mapping[str, Placement]], command: Callable[[str], list[str]]) -> None:
        """Take the function that returns the wanted carriers and their placements, and that of a carrier's command."""
        self._wanted = wanted
        self._command = command
        self._children: dict[str, _Child] = {}

    @property
    def names(self) -> list[str]:
        """Return the carriers that have a process."""
        return list(self._children)

    def look(self) -> None:
        """Start missing processes, stop those that are not wanted any more."""
        wanted = self._wanted()
        self._end([name for name, child in self._children.items() if child.placement is not wanted.get(name)])
        for name, placement in wanted.items():
            child = self._children.get(name)
            if child is None:
                self._children[name] = self._start(name, placement, _FIRST_PAUSE)
            elif child.popen.poll() is not None and time.monotonic() > child.started_at + child.pause:
                settled = time.monotonic() - child.started_at > _SETTLED
                pause = _FIRST_PAUSE if settled else min(2 * child.pause, _LONGEST_PAUSE)
                words = "the process of carrier %(carrier)s ended with code %(code)s; restarting it"
                log.warning(words, {"carrier": name, "code": child.popen.returncode})
                self._children[name] = self._start(name, placement, pause)

    def close(self) -> None:
        """Stop all of them: each has time to receive its carrier's last responses."""
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
    """Keep the carriers' processes running until SIGINT or SIGTERM."""
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    rt, heartbeat = Runtime(given), Heartbeat(given.home, "carriers")
    processes = CarrierProcesses(lambda: _wanted(rt), command)
    try:
        while not received:
            try:
                processes.look()
                heartbeat.beat(children=[f"carriers/{name}" for name in processes.names])
            except DatabaseFault as fault:  # running processes go on
                log.warning("the carriers cannot be read: %s", fault)
            time.sleep(_LOOK)
    finally:
        processes.close()
        rt.close()


def command(name: str) -> list[str]:
    """Return the command that runs the process of one carrier."""
    return [sys.executable, "-m", "workers.carrier_workers.worker", name]


def _wanted(rt: Runtime) -> dict[str, Placement]:
    return {name: placement for name, placement in all_placements(rt).items() if placement is not Placement.SHARED}
