"""The simulator's queue of deliver_sm for an ESME: kept and retransmitted until acknowledged."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

#: seconds until a refused deliver_sm is sent again
RETRY_AFTER = 1.0


@dataclass(slots=True, eq=False)
class PendingPdu:
    """The body of one deliver_sm."""

    body: bytes
    #: how often it was sent
    sent: int = 0


class BoundReceiver(Protocol):
    """A bind that receives deliver_sm."""

    def room(self) -> int:
        """Return how many deliver_sm its window allows now."""
        ...

    def send(self, pdus: Sequence[PendingPdu], now: float) -> None:
        """Send these."""
        ...

    def overdue(self, before: float) -> list[PendingPdu]:
        """Remove and return those sent before that time and not acknowledged."""
        ...


class PendingDeliverSm:
    """One carrier's pending deliver_sm."""

    def __init__(self) -> None:
        self.receivers: list[BoundReceiver] = []
        self.taken = 0
        self.again = 0
        self._number = count()
        self._later: list[tuple[float, int, PendingPdu]] = []
        self._ready: deque[PendingPdu] = deque()
        self._turn = 0

    def plan(self, due: float, body: bytes) -> None:
        """Queue a deliver_sm for `due`, in seconds since 1970."""
        heappush(self._later, (due, next(self._number), PendingPdu(body)))

    def round(self, now: float, timeout: float) -> None:
        """Send what is due, and again what was not acknowledged in time."""
        for receiver in self.receivers:
            self.put_back(receiver.overdue(now - timeout))
        while self._later and self._later[0][0] <= now:
            self._ready.append(heappop(self._later)[2])
        self.pump(now)

    def pump(self, now: float) -> None:
        """Send what is ready to the binds whose window has room, in equal shares."""
        while self._ready:
            rooms = [(room, receiver) for receiver in self.receivers if (room := receiver.room()) > 0]
            if not rooms:
                return
            share = -(-len(self._ready) // len(rooms))
            for room, receiver in rooms:
                some = [self._ready.popleft() for _ in range(min(room, share, len(self._ready)))]
                if some:
                    receiver.send(some, now)
                for pending in some:
                    self.again += pending.sent > 0
                    pending.sent += 1

    def acknowledge(self, pending: PendingPdu, status: int, now: float) -> None:
        """Process the deliver_sm_resp of one of them."""
        if status:
            heappush(self._later, (now + RETRY_AFTER, next(self._number), pending))
        else:
            self.taken += 1

    def put_back(self, pdus: Sequence[PendingPdu]) -> None:
        """Queue these again, before the others."""
        self._ready.extendleft(reversed(pdus))

    def stats(self) -> dict[str, int]:
        """Return the number of receiving binds and the counts of deliver_sm."""
        waiting = len(self._later) + len(self._ready)
        return {"receivers": len(self.receivers), "waiting": waiting, "taken": self.taken, "again": self.again}
