"""Starts an embedded server again that ended by itself while its owner runs."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from workers.lab.embedded.server_process import Server

#: seconds before a server that ended is started again: this long at first, twice as long each time
_FIRST_PAUSE = 1.0
#: starts in a row after none of which it answered; and seconds after which an answer shows that it stays
_TRIES, _SETTLED = 4, 30.0
#: seconds between two looks
_LOOK = 0.5


@dataclass(slots=True)
class _Watched:
    server: Server
    tries: int = 0
    #: when to start it again; None: it runs
    due_at: float | None = None
    started_at: float = 0.0


class RestartWatch:
    """The servers of a pair, looked at again and again from the thread that started them."""

    def __init__(self, servers: Sequence[Server], announce: Callable[[], None]) -> None:
        """Take the servers, and what writes down that one has another process."""
        self._watched = [_Watched(server) for server in servers]
        self._announce = announce
        self._next = 0.0

    def look(self) -> Iterator[str]:
        """Yield what happened, a line each; PostroadError when a server does not come back."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _LOOK
        for each in self._watched:
            if each.due_at is not None:
                if now >= each.due_at:
                    self._start(each)
            elif not each.server.runs():
                yield self._mourn(each, now)

    def _mourn(self, each: _Watched, now: float) -> str:
        """Set when it is started again, and return how it ended."""
        each.tries = 1 if now - each.started_at > _SETTLED else each.tries + 1
        if each.tries > _TRIES:
            raise each.server.fault()
        pause = _FIRST_PAUSE * 2 ** (each.tries - 1)
        each.due_at = now + pause
        return f"{each.server.name} ended ({each.server.ended()}); starts again in {pause:g} s"

    def _start(self, each: _Watched) -> None:
        each.server.launch()
        each.started_at, each.due_at = time.monotonic(), None
        self._announce()
