"""Restarts an embedded server that died while its owner runs."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workers.lab.embedded.server_process import Server

#: seconds before a dead server is restarted, doubled each time
_FIRST_PAUSE = 1.0
#: consecutive restarts before giving up; and seconds of uptime after which they count from one again
_TRIES, _SETTLED = 4, 30.0
#: seconds between two checks
_CHECK = 0.5


@dataclass(slots=True)
class _Watched:
    server: Server
    tries: int = 0
    #: when to restart it; None: it runs
    due_at: float | None = None
    started_at: float = 0.0


class RestartWatch:
    """Checks the embedded servers periodically, from the thread that started them."""

    def __init__(self, servers: Sequence[Server], announce: Callable[[], None]) -> None:
        """Take the servers, and the function that rewrites the run file after a restart."""
        self._watched = [_Watched(server) for server in servers]
        self._announce = announce
        self._next = 0.0

    def look(self) -> Iterator[str]:
        """Yield a line for each death; PostroadError when a server cannot be restarted."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _CHECK
        for each in self._watched:
            if each.due_at is not None:
                if now >= each.due_at:
                    self._start(each)
            elif not each.server.runs():
                yield self._plan_restart(each, now)

    def _plan_restart(self, each: _Watched, now: float) -> str:
        """Set when it restarts, and return how it ended."""
        each.tries = 1 if now - each.started_at > _SETTLED else each.tries + 1
        if each.tries > _TRIES:
            raise each.server.fault()
        pause = _FIRST_PAUSE * 2 ** (each.tries - 1)
        each.due_at = now + pause
        return f"{each.server.name} ended ({each.server.ended()}); restarting in {pause:g} s"

    def _start(self, each: _Watched) -> None:
        each.server.launch()
        each.started_at, each.due_at = time.monotonic(), None
        self._announce()
