"""Limits for unauthenticated clients: memory for their bodies, and a delay for failed authentications."""

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from pipeline.errors import Overloaded

log = logging.getLogger(__name__)

#: bytes of a body that are read before authentication, and the seconds they may take
LARGEST, TIMEOUT = 64 * 1024, 10.0
#: bytes of all such bodies that are incomplete
ALL = 8 * 1024 * 1024
#: failures of one address that are answered without delay, further ones each second, the longest delay in seconds
FREE, PACE, LONGEST = 50, 5.0, 0.25
_SHORTEST = 0.001
#: addresses that are remembered; and responses delayed at a time, of one address and of all
REMEMBERED, HELD_EACH, HELD = 10_000, 20, 1_000
#: seconds between two log lines about one address, and log lines in that time about all
QUIET, LINES = 60.0, 100
#: prefix length of the network that one IPv6 client has
_PREFIX = 64


@dataclass(eq=False, slots=True)
class ReadShare:
    """The buffered body of one unauthenticated request."""

    room: "ReadBudget"
    origin: str
    held: int = 0
    #: the timeout of the read, to end it early
    deadline: asyncio.Timeout | None = None
    #: whether it was evicted for others
    is_out: bool = False

    def set_size(self, size: int) -> None:
        """Set the number of bytes so far; Overloaded if it was evicted."""
        self.room.add(self, size - self.held)
        if self.is_out:
            raise Overloaded("bodies of others are under way")


class ReadBudget:
    """Memory for the bodies of unauthenticated clients: when it is full, the client that uses most is evicted."""

    def __init__(self, most: int = ALL) -> None:
        """Start empty."""
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
        """Add bytes to a share; evict shares while there are too many."""
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
        """Evict the oldest body of the origin that has the most bytes."""
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
    """The failures of one address."""

    #: when its failures are forgotten (a leaky bucket)
    until: float = 0.0
    #: when it was last logged
    reported_at: float = float("-inf")
    waiting: int = 0


class FailedCalls:
    """Counts failed authentications by address, and delays their responses; successful ones are not delayed."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start empty; `clock` returns seconds."""
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()
        self._waiting = 0
        self._lines = 0
        self._lines_since = float("-inf")

    async def note(self, source: str, where: str) -> bool:
        """Count a failure and delay its response as needed; return False if the connection should close instead."""
        record, now = self._record(origin_of(source)), self._clock()
        self._log_failure(record, source, where, now)
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

    def _log_failure(self, record: _Record, source: str, where: str, now: float) -> None:
        if now - self._lines_since >= QUIET:
            self._lines, self._lines_since = 0, now
        if now - record.reported_at >= QUIET and self._lines < LINES:
            record.reported_at = now
            self._lines += 1
            log.info("%s: calls from %s do not show a good key", where, source)


def origin_of(source: str) -> str:
    """Return what identifies a client: its address, or for IPv6 the network that one client has."""
    try:
        address = ip_address(source)
    except ValueError:
        return source
    if not isinstance(address, IPv6Address):
        return source
    plain = address.ipv4_mapped
    return str(plain) if plain else f"{IPv6Address(int(address) >> _PREFIX << _PREFIX)}/{_PREFIX}"
