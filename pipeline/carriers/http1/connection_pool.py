"""HTTP connection pool to one address: distributes a call's requests over its connections."""

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Lock

from pipeline.carriers import contract
from pipeline.carriers.contract import MaySubmit
from pipeline.carriers.http1.connection import Address, HttpConnection, HttpFault, HttpResponse
from pipeline.carriers.tcp_connect import Connector

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # Windows, PyPy
    from asyncio import new_event_loop

#: seconds an idle connection may be reused: less than the shortest keep-alive in wide use (5: node, uvicorn)
KEEP_ALIVE = 4.0
#: consecutive requests without a response, after which a call begins no other
FUSE = 20
#: connections of one call that may try to connect and fail
TRIES = 2
#: not sent: too little of the call's time was left
NO_TIME = HttpFault("no_time", written=False)
#: not sent: those before it got no response, and its outcome would be unknown too
FUSED = HttpFault("fused", written=False)
#: not sent: we closed the pool, as the process ends or the carrier's settings changed
CLOSED = HttpFault("put_away", written=False)


#: not sent: it may not be any more
STOPPED = HttpFault(contract.STOPPED, written=False)

#: called with the index of a request that is being written
Begins = Callable[[int], None]
#: called with a request's index and result
Ends = Callable[[int, HttpResponse | HttpFault], None]


def _nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(slots=True)
class _Call:
    """The requests of one call, and their progress."""

    requests: Sequence[bytes]
    begins: Begins
    ends: Ends
    #: no request begins after it
    begin_by: float
    waiting: deque[int]
    #: asked before a request is written; None: all may be
    may_begin: MaySubmit | None = None
    #: index → result
    results: dict[int, HttpResponse | HttpFault] = field(default_factory=dict)
    answers: int = 0
    #: consecutive requests without a response
    faults: int = 0
    #: why connections could not be made
    closed: list[HttpFault] = field(default_factory=list)

    def record(self, place: int, result: HttpResponse | HttpFault) -> None:
        """Record the result of a request."""
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
    """A pool of connections to one address, each with a task that takes waiting requests in turn."""

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
        self,
        requests: Sequence[bytes],
        waited: float = 0.0,
        begins: Begins = _nothing,
        ends: Ends = _nothing,
        may_begin: MaySubmit | None = None,
    ) -> list[HttpResponse | HttpFault]:
        """Post the requests; return one result for each, in their order, within the call's deadline.

        `waited`: seconds of that deadline already used. `begins` is called before each request is written,
        `ends` with its result. `may_begin` is asked before that; a request that may not be written is STOPPED.

        A task connects before it takes a request, and stops if it cannot: requests not taken were not written. Where
        there is no connection yet, one task connects first; if it fails a second tries, and then none.
        A request begins only while its whole deadline fits into the rest of the call's, and while fewer than FUSE in a
        row had no response. Where no task could connect and none had a response, FUSE results stand for the rest.
        """
        await self._drop_stale()
        begin_by = asyncio.get_running_loop().time() + self.begin_within - waited
        call = _Call(requests, begins, ends, begin_by, deque(range(len(requests))), may_begin)
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
                if call.may_begin and not call.may_begin(place):
                    call.results[place] = STOPPED
                    continue
                call.begins(place)
                call.record(place, await connection.post(call.requests[place], self._deadline))
        if connection is not None and connection.usable:
            self._idle.append(connection)

    async def _open(self, call: _Call) -> HttpConnection | None:
        """Return a new connection; the reason of a failure goes to the call."""
        opened = await self._connector.connect(HttpConnection)
        if isinstance(opened, HttpConnection):
            return opened
        call.closed.append(HttpFault(opened, written=False))
        return None

    async def _drop_stale(self) -> None:
        """Discard connections that were closed, or idle for too long, meanwhile."""
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
    """A connection pool for callers without an event loop: runs a loop of its own.

    One call at a time: the time a call waits for another counts against its deadline.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._lock = Lock()
        self._runner: asyncio.Runner | None = asyncio.Runner(loop_factory=new_event_loop)

    def post(
        self,
        requests: Sequence[bytes],
        begins: Begins = _nothing,
        ends: Ends = _nothing,
        may_begin: MaySubmit | None = None,
    ) -> list[HttpResponse | HttpFault]:
        """Post the requests as `ConnectionPool.post` does; return one result for each, in their order."""
        began = time.monotonic()
        if not self._lock.acquire(timeout=self._pool.begin_within):
            return [NO_TIME] * len(requests)
        try:
            if self._runner is None or not requests:
                return [CLOSED] * len(requests)
            return self._runner.run(self._pool.post(requests, time.monotonic() - began, begins, ends, may_begin))
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
    """Let the loop process pending socket events, so that connections notice a close."""
    for _ in range(3):
        await asyncio.sleep(0)
