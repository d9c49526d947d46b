"""Throttling (ESME_RTHROTTLED): a throttled request waits alone; where most are throttled, the whole window pauses."""

import asyncio
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from typing import Final

from pipeline.carriers.smpp.smpp_options import SessionOptions
from pipeline.carriers.smpp.submit_exchange import Request, SubmitExchange

#: seconds by which a request may be early, so that those throttled together are resubmitted together
EARLY: Final = 0.005
#: the whole window pauses when throttling responses outnumber others by this many, or by a window
EXCESS: Final = 16
#: share of `throttle_pause` that one throttled request waits first: the SMSC accepts others meanwhile
ALONE: Final = 1 / 16


class ThrottlePressure:
    """Measures the throttling of one bind: whether its whole window must pause, and for how long."""

    __slots__ = ("_enough", "_pause", "_session_options", "excess", "is_probing", "paused_until")

    def __init__(self, session_options: SessionOptions) -> None:
        self._session_options = session_options
        self._pause = 0.0
        self._enough = max(2, min(session_options.window, EXCESS))
        #: responses that throttled, less those that did not
        self.excess = 0
        #: the window paused, and nothing was accepted since: single messages probe whether it may resume
        self.is_probing = False
        #: when the window resumes, by the loop's clock
        self.paused_until = 0.0

    def measure(self, taken: int, throttled: int, now: float) -> float:
        """Count responses; return the seconds for which the window must pause from now on, else 0."""
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
    """The throttled requests of one carrier. Used by the loop's thread only."""

    def __init__(self, session_options: SessionOptions, again: Callable[[Sequence[Request]], None]) -> None:
        """Take the callback for requests whose wait is over."""
        self._session_options = session_options
        self._give = again
        self._loop = asyncio.get_running_loop()
        self._heap: list[tuple[float, int, Request]] = []
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, requests: Sequence[Request]) -> list[Request]:
        """Add requests, each with a longer wait every time; return those whose call ends before it is over."""
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
        """Return the calls that have waiting requests."""
        return {request.call for *_, request in self._heap}

    def remove(self, call: SubmitExchange) -> list[Request]:
        """Remove and return the waiting requests of a call."""
        found = [request for *_, request in self._heap if request.call is call]
        if found:
            self._heap = [(at, count, request) for at, count, request in self._heap if request.call is not call]
            heapify(self._heap)
        return found

    def clear(self) -> list[Request]:
        """Remove and return all waiting requests."""
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
            _, _, request = heappop(self._heap)
            due.append(request)
        self._set_timer()
        # one-time codes first
        self._give(sorted(due, key=lambda request: not request.call.is_urgent))
