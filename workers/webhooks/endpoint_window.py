"""Limits the open calls of each webhook endpoint: a window that shrinks with failures, and a pause after several."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

#: consecutive failures after which an endpoint is paused
_FAILURES = 3
#: seconds of the first pause, doubled with each further failure up to the second
REST, LONGEST_REST = 1.0, 30.0
#: longest pause in seconds that an endpoint may ask for (Retry-After)
LONGEST_ASKED = 3600.0


@dataclass(slots=True)
class _Failing:
    failures: int
    #: when the last failure was seen, and until when the endpoint is paused
    seen: float
    until: float


class EndpointWindows:
    """The open calls and failures of each endpoint. A slow or dead endpoint occupies its own window only."""

    def __init__(self, window: int) -> None:
        """Take the window: calls that an endpoint may have open at once."""
        self._window = window
        self._open: Counter[UUID] = Counter()
        self._failing: dict[UUID, _Failing] = {}

    @property
    def total(self) -> int:
        """The number of open calls of all endpoints."""
        return self._open.total()

    def begin(self, key: UUID) -> None:
        """Count a call as open."""
        self._open[key] += 1

    def end(self, key: UUID) -> None:
        """Count a call as ended."""
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]

    def judge(self, key: UUID, accepted: bool, began: float, now: float, asked: float = 0.0) -> None:
        """Record how an endpoint answered a call; failures of calls that were open together count as one.

        `asked`: seconds for which the endpoint asked for no calls (Retry-After).
        """
        if accepted:
            self._failing.pop(key, None)
            return
        known = self._failing.get(key) or _Failing(0, began, now)
        asked_until = now + min(asked, LONGEST_ASKED)
        if began < known.seen:
            known.until = max(known.until, asked_until)
            return
        failures = known.failures + 1
        rest = REST * 2 ** min(failures - _FAILURES, 10) if failures >= _FAILURES else 0
        self._failing[key] = _Failing(failures, now, max(now + min(rest, LONGEST_REST), asked_until))

    def rooms(self, now: float) -> dict[UUID, int]:
        """Return how many calls each endpoint may start, for those whose whole window is not free."""
        rooms = {key: self._window - count for key, count in self._open.items()}
        for key, illness in self._failing.items():
            window = 0 if now < illness.until else max(1, self._window >> illness.failures)
            rooms[key] = window - self._open.get(key, 0)
        return {key: max(room, 0) for key, room in rooms.items()}
