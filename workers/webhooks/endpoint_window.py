"""How many calls a lane may have open: a window each, less with each failure, and a rest between them in the end."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

#: failures, one after the other, after which a lane rests
_TIMEOUT = 3
#: seconds it rests then, doubled with each failure that follows up to the last
REST, LONGEST_REST = 1.0, 30.0
#: seconds for which it rests at most because its receiver asked for it
LONGEST_ASKED = 3600.0


@dataclass(slots=True)
class _Illness:
    failures: int
    #: when the last of them was seen, and until when the lane rests
    seen: float
    until: float


class EndpointWindows:
    """What is open in each lane, and which lanes fail. A receiver that is slow or dead holds its own window only."""

    def __init__(self, window: int) -> None:
        """Give each lane so many calls at once."""
        self._window = window
        self._open: Counter[UUID] = Counter()
        self._ill: dict[UUID, _Illness] = {}

    @property
    def total(self) -> int:
        """How many calls are open in all lanes."""
        return self._open.total()

    def begin(self, channel: UUID) -> None:
        """Count a call as open."""
        self._open[channel] += 1

    def end(self, channel: UUID) -> None:
        """Count a call as over."""
        self._open[channel] -= 1
        if not self._open[channel]:
            del self._open[channel]

    def judge(self, channel: UUID, accepted: bool, began: float, now: float, asked: float = 0.0) -> None:
        """Keep how a lane's receiver answered a call; calls that were open together fail together, as one.

        `asked`: seconds for which it wants no calls.
        """
        if accepted:
            self._ill.pop(channel, None)
            return
        known = self._ill.get(channel) or _Illness(0, began, now)
        asked_until = now + min(asked, LONGEST_ASKED)
        if began < known.seen:
            known.until = max(known.until, asked_until)
            return
        failures = known.failures + 1
        rest = REST * 2 ** min(failures - _TIMEOUT, 10) if failures >= _TIMEOUT else 0
        self._ill[channel] = _Illness(failures, now, max(now + min(rest, LONGEST_REST), asked_until))

    def rooms(self, now: float) -> dict[UUID, int]:
        """Return how many calls may be begun in each lane that has not a whole window to give."""
        rooms = {channel: self._window - count for channel, count in self._open.items()}
        for channel, illness in self._ill.items():
            window = 0 if now < illness.until else max(1, self._window >> illness.failures)
            rooms[channel] = window - self._open.get(channel, 0)
        return {channel: max(room, 0) for channel, room in rooms.items()}
