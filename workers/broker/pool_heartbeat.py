"""The heartbeat of a Celery worker: its event loop turns, and its pool runs what it is given.

A timer of the loop that also reads the queues writes it. At each beat a task that does nothing is put to the pool; work
goes through if it has returned, or if a running task has looked meanwhile whether it should stop.
"""

from collections.abc import Callable
from typing import Any

from pipeline.settings import settings
from workers.app import progress
from workers.processes.heartbeat_file import PERIOD, Heartbeat

#: runs a function in the pool, and calls another in this process when that has returned or failed
Submit = Callable[[Callable[[], bool], Callable[[bool], None]], None]


def do_nothing() -> bool:
    """Return True, in a pool child."""
    return True


class PoolHeartbeat:
    """The heartbeat of this process's worker."""

    def __init__(self) -> None:
        """Begin without one."""
        #: its name, unless that is the node's
        self.name: str | None = None
        self._heartbeat: Heartbeat | None = None
        self._is_asked = self._has_answered = False
        self._progress = 0

    def start(self, node: str, timer: Any, submit: Submit) -> None:
        """Beat by a timer, which ends with the connection to the broker; called at each connection."""
        self._heartbeat = self._heartbeat or Heartbeat(settings().home, self.name or node.partition("@")[0])
        self._is_asked = False
        timer.call_after(0, self._beat, (self._heartbeat, submit))
        timer.call_repeatedly(PERIOD, self._beat, (self._heartbeat, submit))

    def _beat(self, heartbeat: Heartbeat, submit: Submit) -> None:
        seen = progress()
        heartbeat.beat(worked=self._has_answered or seen != self._progress)
        self._progress, self._has_answered = seen, False
        if not self._is_asked:
            self._is_asked = True
            submit(do_nothing, self._answered)

    def _answered(self, ok: bool) -> None:
        """Note the answer for the next beat; with a thread pool another thread calls this."""
        self._is_asked, self._has_answered = False, ok


#: the heartbeat of this process
heartbeat = PoolHeartbeat()
