"""What an SMSC has to bring to those who are bound to it: kept, and brought again, until it is acknowledged."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Protocol

#: seconds until what was refused is brought again
AGAIN = 1.0


@dataclass(slots=True, eq=False)
class PendingPdu:
    """The body of one deliver_sm."""

    body: bytes
    #: how often it was brought
    brought: int = 0


class BoundReceiver(Protocol):
    """One bind that receives."""

    def room(self) -> int:
        """Return how many letters it may be brought now."""
        ...

    def bring(self, letters: Sequence[PendingPdu], now: float) -> None:
        """Write these."""
        ...

    def overdue(self, before: float) -> list[PendingPdu]:
        """Take back what was brought before that moment and is not acknowledged."""
        ...


class PendingDeliverSm:
    """One carrier's letters."""

    def __init__(self) -> None:
        self.readers: list[BoundReceiver] = []
        self.taken = 0
        self.again = 0
        self._number = count()
        self._later: list[tuple[float, int, PendingPdu]] = []
        self._ready: deque[PendingPdu] = deque()
        self._turn = 0

    def plan(self, due: float, body: bytes) -> None:
        """Bring a deliver_sm at `due`, in seconds since 1970."""
        heappush(self._later, (due, next(self._number), PendingPdu(body)))

    def round(self, now: float, patience: float) -> None:
        """Bring what is due, and again what was not acknowledged in time."""
        for reader in self.readers:
            self.put_back(reader.overdue(now - patience))
        while self._later and self._later[0][0] <= now:
            self._ready.append(heappop(self._later)[2])
        self.pump(now)

    def pump(self, now: float) -> None:
        """Bring what waits to whoever has room, in equal shares."""
        while self._ready:
            rooms = [(room, reader) for reader in self.readers if (room := reader.room()) > 0]
            if not rooms:
                return
            share = -(-len(self._ready) // len(rooms))
            for room, reader in rooms:
                some = [self._ready.popleft() for _ in range(min(room, share, len(self._ready)))]
                if some:
                    reader.bring(some, now)
                for letter in some:
                    self.again += letter.brought > 0
                    letter.brought += 1

    def acknowledge(self, letter: PendingPdu, status: int, now: float) -> None:
        """Take the answer to one of them."""
        if status:
            heappush(self._later, (now + AGAIN, next(self._number), letter))
        else:
            self.taken += 1

    def put_back(self, letters: Sequence[PendingPdu]) -> None:
        """Bring these again, before the others."""
        self._ready.extendleft(reversed(letters))

    def stats(self) -> dict[str, int]:
        """Return how many binds receive, and what became of the letters."""
        waiting = len(self._later) + len(self._ready)
        return {"receivers": len(self.readers), "waiting": waiting, "taken": self.taken, "again": self.again}
