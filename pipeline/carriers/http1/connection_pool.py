"""A window of connections to one address, and the order in which requests go through them."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from pipeline.carriers.connect import Connector
from pipeline.carriers.http1.connection import Address, HttpConnection, HttpFault, HttpResponse

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # Windows, PyPy
    from asyncio import new_event_loop

#: seconds a connection may idle and be used again: less than the shortest keep-alive in wide use (5: node, uvicorn)
KEEP_ALIVE = 4.0
#: requests in a row that got no answer, after which a call begins no other
FUSE = 20
#: lanes of one call that may find out that no connection comes about
TRIES = 2
#: its turn never came: by then too little of the call's time was left
NO_TIME = HttpFault("no_time", written=False)
#: its turn never came: those before it got no answer, and nobody would know what became of it
FUSED = HttpFault("fused", written=False)
#: we closed this way ourselves: the process ends, or the carrier's settings are others now
CLOSED = HttpFault("put_away", written=False)


#: takes the place of a request that is written now
Begins = Callable[[int], None]
#: takes a request's place and what came of it
Ends = Callable[[int, HttpResponse | HttpFault], None]


def _nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(slots=True)
class _Call:
    """The requests of one call, and how far it has come."""

    requests: Sequence[bytes]
    begins: Begins
    ends: Ends
    #: no request begins after it
    begin_by: float
    waiting: deque[int]
    #: place → what came of it
    results: dict[int, HttpResponse | HttpFault] = field(default_factory=dict)
    answers: int = 0
    #: requests in a row without an answer
    faults: int = 0
    #: why lanes could not connect
    closed: list[HttpFault] = field(default_factory=list)

    def book(self, place: int, result: HttpResponse | HttpFault) -> None:
        """Note what came of a request."""
        self.results[place] = result
        self.ends(place, result)
        if isinstance(result, HttpFault):
            self.faults += 1
        else:
            self.answers, self.faults = self.answers + 1, 0

    def goes_on(self) -> bool:
        """Tell whether another request may begin now."""
        return bool(self.waiting) and self.faults < FUSE and asyncio.get_running_loop().time() < self.begin_by

    def end(self) -> list[HttpResponse | HttpFault]:
        """Return a result for each request, in their order."""
        left = NO_TIME if self.faults < FUSE else FUSED
        if self.closed and not self.answers:
            self.results |= dict.fromkeys(list(self.waiting)[:FUSE], self.closed[0])
            left = FUSED
        return [self.results.get(place, left) for place in range(len(self.requests))]


class ConnectionPool:
    """A window of connections to one address: lanes that take waiting requests in turn."""

    def __init__(
        self,
        address: Address,
        *,
        window: int,
        connect_timeout: float,
        deadline: float,
        call_deadline: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._window = window
        self._deadline = deadline
        #: seconds of a call after which none of its requests begins
        self.begin_within = call_deadline - deadline
        context = (tls or ssl.create_default_context()) if address.tls else None
        self._connector = Connector(address.host, address.port, context, connect_timeout)
        self._idle: list[HttpConnection] = []

    async def post(
        self, requests: Sequence[bytes], waited: float = 0.0, begins: Begins = _nothing, ends: Ends = _nothing
    ) -> list[HttpResponse | HttpFault]:
        """Post the requests; return one result for each, in their order, within the call's deadline.

        For its turn the call has `waited` so many seconds of that. `begins` hears of each request before it is written,
        `ends` what came of it.

        A lane connects before it takes a request and stops if it cannot: what no lane took was not written. Where no
        connection stands, one lane connects before all others; if it cannot, a second tries, and after that nobody.
        A request begins only while its whole deadline fits into what is left of the call's, and while not FUSE in a row
        had no answer. Where lanes could not connect and none had an answer, FUSE requests say so for the rest.
        """
        await self._drop_stale()
        begin_by = asyncio.get_running_loop().time() + self.begin_within - waited
        call = _Call(requests, begins, ends, begin_by, deque(range(len(requests))))
        pool = min(self._window, len(requests))
        first = self._idle.pop() if self._idle else None
        while first is None and len(call.closed) < min(pool, TRIES) and call.goes_on():
            first = await self._open(call)
        if first is not None:
            await asyncio.gather(
                self._connection_task(call, first), *(self._connection_task(call) for _ in range(pool - 1))
            )
        return call.end()

    async def close(self) -> None:
        """Close the connections; idempotent."""
        while self._idle:
            self._idle.pop().abort()
        await _let_events_come()

    async def _connection_task(self, call: _Call, connection: HttpConnection | None = None) -> None:
        if connection is None and self._idle:
            connection = self._idle.pop()
        while call.goes_on():
            if connection is None or not connection.usable:
                connection = await self._open(call)
                if connection is None:
                    return
            else:
                place = call.waiting.popleft()
                call.begins(place)
                call.book(place, await connection.post(call.requests[place], self._deadline))
        if connection is not None and connection.usable:
            self._idle.append(connection)

    async def _open(self, call: _Call) -> HttpConnection | None:
        """Return a new connection; the call is told why there is none."""
        opened = await self._connector.connect(HttpConnection)
        if isinstance(opened, HttpConnection):
            return opened
        call.closed.append(HttpFault(opened, written=False))
        return None

    async def _drop_stale(self) -> None:
        """Forget connections that were closed, or idled long, while nobody looked."""
        if not self._idle:
            return
        await _let_events_come()
        young = asyncio.get_running_loop().time() - KEEP_ALIVE
        idle, self._idle = self._idle, []
        for connection in idle:
            if connection.usable and connection.idle_since > young:
                self._idle.append(connection)
            else:
                connection.abort()


class HttpClient:
    """Lanes for callers without an event loop: keeps one of its own for as long as it lives.

    One call at a time: the time that another waits for its turn is its own, and where too little is left it ends.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._lock = Lock()
        self._runner: asyncio.Runner | None = asyncio.Runner(loop_factory=new_event_loop)

    def post(
        self, requests: Sequence[bytes], begins: Begins = _nothing, ends: Ends = _nothing
    ) -> list[HttpResponse | HttpFault]:
        """Post the requests as `Lanes.post` does; return one result for each, in their order."""
        began = time.monotonic()
        if not self._lock.acquire(timeout=self._pool.begin_within):
            return [NO_TIME] * len(requests)
        try:
            if self._runner is None or not requests:
                return [CLOSED] * len(requests)
            return self._runner.run(self._pool.post(requests, time.monotonic() - began, begins, ends))
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close connections and loop; idempotent."""
        with self._lock:
            runner, self._runner = self._runner, None
            if runner is not None:
                runner.run(self._pool.close())
                runner.close()


async def _let_events_come() -> None:
    """Let the loop see what happened on its sockets, and tell the connections."""
    for _ in range(3):
        await asyncio.sleep(0)
