"""Those who have not shown who they are: room for what is read of them, and a brake for those who fail to."""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from pipeline.errors import Crowded

log = logging.getLogger(__name__)

#: bytes read of a body before its sender is known, and seconds it may take
LARGEST, TIMEOUT = 64 * 1024, 10.0
#: bytes of all such bodies that are not complete
ALL = 8 * 1024 * 1024
#: failed authentications of one address that are answered at once, how many more each second, and the longest wait
FREE, PACE, LONGEST = 50, 5.0, 0.25
_SHORTEST = 0.001
#: addresses that are remembered, and answers held back at a time: of one address, and of all
REMEMBERED, HELD_EACH, HELD = 10_000, 20, 1_000
#: seconds between two lines about one address, and lines within as long about all
QUIET, LINES = 60.0, 100
#: the network that one IPv6 caller has to himself
_PREFIX = 64


@dataclass(eq=False, slots=True)
class ReadShare:
    """What is read of one stranger."""

    room: "ReadBudget"
    origin: str
    held: int = 0
    #: ends the wait for the rest
    deadline: asyncio.Timeout | None = None
    #: whether it had to make room for others
    is_out: bool = False

    def measure(self, size: int) -> None:
        """Take the bytes that it has so far; Crowded when it had to make room."""
        self.room.add(self, size - self.held)
        if self.is_out:
            raise Crowded("bodies of others are under way")


class ReadBudget:
    """Memory for the bodies of strangers: where there is too little, the one who holds most of it goes first."""

    def __init__(self, most: int = ALL) -> None:
        """Begin with nothing."""
        self._most = most
        self._all = 0
        self._held: Counter[str] = Counter()
        #: by origin, the oldest first
        self._shares: dict[str, dict[ReadShare, None]] = {}

    @contextmanager
    def share(self, origin: str) -> Iterator[ReadShare]:
        """Yield a share for one body, for as long as it is read."""
        share = ReadShare(self, origin)
        self._shares.setdefault(origin, {})[share] = None
        try:
            yield share
        finally:
            self._give_back(share)

    def add(self, share: ReadShare, more: int) -> None:
        """Count more bytes of a share."""
        if share.is_out:
            return
        self._count(share, more)
        while self._all > self._most:
            self._evict()

    def _count(self, share: ReadShare, more: int) -> None:
        share.held += more
        self._held[share.origin] += more
        self._all += more
        if not self._held[share.origin]:
            del self._held[share.origin]

    def _evict(self) -> None:
        """End the wait for the body that the origin with the most bytes has sent for the longest."""
        origin, _ = max(self._held.items(), key=lambda each: each[1])
        share = next(each for each in self._shares[origin] if each.held)
        self._give_back(share)
        share.is_out = True
        if share.deadline:
            share.deadline.reschedule(asyncio.get_running_loop().time())

    def _give_back(self, share: ReadShare) -> None:
        if share.held:
            self._count(share, -share.held)
        shares = self._shares.get(share.origin, {})
        shares.pop(share, None)
        if not shares:
            self._shares.pop(share.origin, None)


@dataclass(slots=True)
class _Record:
    """What one address has come to."""

    #: when its failures are worked off
    until: float = 0.0
    #: when it was last told of
    reported_at: float = float("-inf")
    waiting: int = 0


class FailedCalls:
    """Failed authentications by address. Only the answer to a failure waits: who shows a good key never does."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; `clock` returns seconds."""
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._waiting = 0
        self._lines = 0
        self._lines_since = float("-inf")

    async def note(self, source: str, where: str) -> bool:
        """Note a failure and hold its answer back as long as it must be; False: so many wait that it should hang up."""
        record, now = self._record(origin_of(source)), self._clock()
        self._tell(record, source, where, now)
        record.until = max(record.until, now) + 1 / PACE
        wait = min(record.until - now - FREE / PACE, LONGEST)
        if wait < _SHORTEST:
            return True
        record.until = min(record.until, now + FREE / PACE + LONGEST)
        if record.waiting >= HELD_EACH or self._waiting >= HELD:
            return False
        record.waiting += 1
        self._waiting += 1
        try:
            await asyncio.sleep(wait)
        finally:
            record.waiting -= 1
            self._waiting -= 1
        return True

    def _record(self, origin: str) -> _Record:
        record = self._records.setdefault(origin, _Record())
        self._records.move_to_end(origin)
        if len(self._records) > REMEMBERED:
            self._records.popitem(last=False)
        return record

    def _tell(self, record: _Record, source: str, where: str, now: float) -> None:
        if now - self._lines_since >= QUIET:
            self._lines, self._lines_since = 0, now
        if now - record.reported_at >= QUIET and self._lines < LINES:
            record.reported_at = now
            self._lines += 1
            log.info("%s: calls from %s do not show a good key", where, source)


def origin_of(source: str) -> str:
    """Return what stands for a caller: his address, or of IPv6 the network that one caller has to himself."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if not isinstance(address, IPv6Address):
        return source
    plain = address.ipv4_mapped
    return str(plain) if plain else f"{IPv6Address(int(address) >> _PREFIX << _PREFIX)}/{_PREFIX}"
