"""What is done about throttling: a throttled request waits by itself; where nearly all are, the whole window pauses."""

import asyncio
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

from pipeline.carriers.smpp.smpp_options import SessionOptions
from pipeline.carriers.smpp.submit_exchange import Request, SubmitExchange

#: seconds by which a request may be early, so that those that were throttled together go together
EARLY: Final = 0.005
#: so many more answers that throttle than others, or a window's worth, pause the whole window
EXCESS: Final = 16
#: what of `throttle_pause` one throttled request waits first: the SMSC takes others meanwhile
ALONE: Final = 1 / 16


class ThrottlePressure:
    """How hard one bind is throttled: whether its whole window must pause, and for how long."""

    __slots__ = ("_enough", "_pause", "_session_options", "excess", "is_probing", "paused_until")

    def __init__(self, session_options: SessionOptions) -> None:
        self._session_options = session_options
        self._pause = 0.0
        self._enough = max(2, min(session_options.window, EXCESS))
        #: answers that throttled beyond those that did not
        self.excess = 0
        #: the window paused, and nothing was taken since: one message at a time finds out whether it may go on
        self.is_probing = False
        #: when the window opens again, by the loop's clock
        self.paused_until = 0.0

    def measure(self, taken: int, throttled: int, now: float) -> float:
        """Count answers; return the seconds for which the window must pause from now on, else 0."""
        self.excess = max(self.excess + throttled - taken, 0)
        if taken:
            self._pause = 0.0
            self.is_probing = False
        if not throttled or not (self.is_probing or self.excess >= self._enough):
            return 0.0
        self.excess = 1
        if now < self.paused_until:
            return 0.0
        first, longest = self._session_options.throttle_pause, self._session_options.longest_pause
        self._pause = min(self._pause * 2 or first, max(first, longest))
        self.paused_until = now + self._pause
        self.is_probing = True
        return self._pause


class Throttling:
    """The throttled requests of one carrier. Belongs to the loop's thread."""

    def __init__(self, session_options: SessionOptions, again: Callable[[Sequence[Request]], None]) -> None:
        """Take what is called with the requests whose pause is over."""
        self._session_options = session_options
        self._give = again
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Request]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, requests: Sequence[Request]) -> list[Request]:
        """Take requests, each with a longer pause at each time; return those whose call has too little time for it."""
        now, first = self._loop.time(), self._session_options.throttle_pause * ALONE
        longest = max(self._session_options.throttle_pause, self._session_options.longest_pause)
        spent = []
        for request in requests:
            request.due_at = now + min(first * 2.0 ** min(request.throttled - 1, 20), longest)
            if request.due_at >= request.call.begin_by:
                spent.append(request)
            else:
                self._count += 1
                heappush(self._heap, (request.due_at, self._count, request))
        self._set_timer()
        return spent

    def calls(self) -> set[SubmitExchange]:
        """Return the calls of what waits."""
        return {request.call for *_, request in self._heap}

    def remove(self, call: SubmitExchange) -> list[Request]:
        """Return what waits of a call, and forget it."""
        found = [request for *_, request in self._heap if request.call is call]
        if found:
            self._heap = [each for each in self._heap if each[2].call is not call]
            heapify(self._heap)
        return found

    def clear(self) -> list[Request]:
        """Return all that wait, and forget them."""
        found = [request for *_, request in self._heap]
        self._heap.clear()
        self._set_timer()
        return found

    def _set_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._heap[0][0], self._strike) if self._heap else None

    def _strike(self) -> None:
        due: list[Request] = []
        edge = self._loop.time() + EARLY
        while self._heap and self._heap[0][0] <= edge:
            due.append(heappop(self._heap)[2])
        self._set_timer()
        # codes go before all else
        self._give(sorted(due, key=lambda request: not request.call.is_urgent))
