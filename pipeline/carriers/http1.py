"""A small HTTP/1.1 client that knows whether a request may have left us.

It posts through a window of connections, one request at a time on each, and never tries one twice. It follows no
redirect, keeps no cookie, asks no proxy. Why not aiohttp: docs/decisions/0004-http-carriers.md.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import cast
from urllib.parse import urlsplit

import httptools

new_event_loop: Callable[[], asyncio.AbstractEventLoop]
try:
    from uvloop import new_event_loop
except ImportError:  # Windows, PyPy
    from asyncio import new_event_loop

#: seconds a connection may idle and be used again: less than the shortest keep-alive in wide use (5: node, uvicorn)
KEEP_ALIVE = 4.0
#: requests in a row that got no answer, after which a call begins no other
FUSE = 20
#: bytes an answer may have, headers and all
LONGEST = 65_536
#: why no connection came about; the first that fits
CONNECT_FAULTS: dict[type[Exception], str] = {
    TimeoutError: "connect_timeout",
    ssl.SSLError: "tls",
    socket.gaierror: "dns",
    ConnectionRefusedError: "refused",
    OSError: "connect",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    #: names in lower case
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Fault:
    """Why no answer came back."""

    code: str
    #: whether a byte of the request may have left us
    written: bool


#: its turn never came: by then too little of the call's time was left
NO_TIME = Fault("no_time", written=False)
#: its turn never came: those before it got no answer, and nobody would know what became of it
FUSED = Fault("fused", written=False)


@dataclass(frozen=True, slots=True)
class Address:
    """Where an http(s) URL leads."""

    host: str
    port: int
    tls: bool
    path: str
    #: how the Host header spells it
    authority: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Take a URL apart; ValueError if it is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or " " in url:
            raise ValueError("must be an http:// or https:// URL")
        parts.hostname.encode("idna")
        tls = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, path, parts.netloc.rpartition("@")[2])

    def head(self, headers: Mapping[str, str], method: str = "POST", content: str = "application/json") -> bytes:
        """Return the head of a request here, up to its body's length; names and values must be printable."""
        lines = [f"{method} {self.path} HTTP/1.1", f"host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in {"content-type": content, **headers}.items() if value]
        return "\r\n".join(lines).encode("latin-1") + b"\r\ncontent-length: "


def request(head: bytes, body: bytes) -> bytes:
    """Return a whole request."""
    return b"%s%d\r\n\r\n%s" % (head, len(body), body)


class Connection(asyncio.Protocol):
    """One connection, with at most one request on it."""

    def __init__(self) -> None:
        self.idle_since = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[Answer | Fault] | None = None
        self._forget()

    async def post(self, whole: bytes, deadline: float) -> Answer | Fault:
        """Write a request and return its answer; after a fault the connection is of no more use."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._transport.write(whole)
        try:
            async with asyncio.timeout(deadline):
                return await self._waiter
        except TimeoutError:
            return Fault("timeout", written=True)
        finally:
            if self._waiter is not None:
                self._waiter = None
                self._transport.abort()

    @property
    def usable(self) -> bool:
        """Whether another request may be written."""
        return not self._transport.is_closing()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    # What the event loop tells us

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._size += len(data)
        if self._waiter is None or self._size > LONGEST:
            self._settle(Fault("too_long", written=True))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._settle(Fault("unreadable", written=True))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        if exc is None and self._until_closed:
            self._settle(self._answer())
        else:
            self._settle(Fault("reset" if exc else "closed", written=True))

    # What the parser tells us

    def on_message_begin(self) -> None:  # noqa: D102
        self._forget()

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:  # noqa: D102
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        self._until_closed = not framed and not self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._body.append(body)

    def on_message_complete(self) -> None:  # noqa: D102
        if self._parser.get_status_code() < 200:
            return
        reusable = self._parser.should_keep_alive()
        self._settle(self._answer(), reusable)

    def _answer(self) -> Answer:
        return Answer(self._parser.get_status_code(), self._headers, b"".join(self._body))

    def _settle(self, result: Answer | Fault, reusable: bool = False) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(result)
        if waiter is None or not reusable:
            self._transport.abort()
        self._forget()

    def _forget(self) -> None:
        self._size = 0
        self._until_closed = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []


@dataclass(slots=True)
class _Call:
    """The requests of one call, and how far it has come."""

    requests: Sequence[bytes]
    #: no request begins after it
    begin_by: float
    waiting: deque[int]
    #: place → what came of it
    results: dict[int, Answer | Fault] = field(default_factory=dict)
    answers: int = 0
    #: requests in a row without an answer
    faults: int = 0

    def book(self, place: int, result: Answer | Fault) -> None:
        """Note what came of a request."""
        self.results[place] = result
        if isinstance(result, Fault):
            self.faults += 1
        else:
            self.answers, self.faults = self.answers + 1, 0

    def end(self, closed: Sequence[Fault]) -> list[Answer | Fault]:
        """Return a result for each request, in their order; `closed`: why lanes could not connect."""
        left = NO_TIME if self.faults < FUSE else FUSED
        if closed and not self.answers:
            self.results |= dict.fromkeys(list(self.waiting)[:FUSE], closed[0])
            left = FUSED
        return [self.results.get(place, left) for place in range(len(self.requests))]


class Lanes:
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
        self._address = address
        self._window = window
        self._connect_timeout = connect_timeout
        self._deadline = deadline
        self._call_deadline = call_deadline
        self._tls = (tls or ssl.create_default_context()) if address.tls else None
        self._idle: list[Connection] = []

    async def post(self, requests: Sequence[bytes]) -> list[Answer | Fault]:
        """Post the requests; return one result for each, in their order, within the call's deadline.

        A lane connects before it takes a request and stops if it cannot: what no lane took was not written.
        A request begins only while its whole deadline fits into what is left of the call's, and while not FUSE in a row
        had no answer. Where lanes could not connect and none had an answer, FUSE requests say so for the rest.
        """
        await self._drop_stale()
        begin_by = asyncio.get_running_loop().time() + self._call_deadline - self._deadline
        call = _Call(requests, begin_by, deque(range(len(requests))))
        ends = await asyncio.gather(*(self._lane(call) for _ in range(min(self._window, len(requests)))))
        return call.end([fault for fault in ends if fault])

    async def close(self) -> None:
        """Close the connections; idempotent."""
        while self._idle:
            self._idle.pop().abort()
        await _let_events_come()

    async def _lane(self, call: _Call) -> Fault | None:
        now = asyncio.get_running_loop().time
        connection = self._idle.pop() if self._idle else None
        while call.waiting and call.faults < FUSE and now() < call.begin_by:
            if connection is None or not connection.usable:
                opened = await self._open()
                if isinstance(opened, Fault):
                    return opened
                connection = opened
            else:
                place = call.waiting.popleft()
                call.book(place, await connection.post(call.requests[place], self._deadline))
        if connection is not None and connection.usable:
            connection.idle_since = now()
            self._idle.append(connection)
        return None

    async def _open(self) -> Connection | Fault:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout):
                _, connection = await loop.create_connection(
                    Connection, self._address.host, self._address.port, ssl=self._tls
                )
                return connection
        except OSError as error:
            return Fault(next(code for kind, code in CONNECT_FAULTS.items() if isinstance(error, kind)), written=False)

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


class Client:
    """Lanes for callers without an event loop: keeps one of its own for as long as it lives. One call at a time."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._lock = Lock()
        self._runner: asyncio.Runner | None = asyncio.Runner(loop_factory=new_event_loop)

    def post(self, requests: Sequence[bytes]) -> list[Answer | Fault]:
        """Post the requests; return one result for each, in their order."""
        with self._lock:
            if self._runner is None or not requests:
                return [Fault("closed", written=False)] * len(requests)
            return self._runner.run(self._lanes.post(requests))

    def close(self) -> None:
        """Close connections and loop; idempotent."""
        with self._lock:
            runner, self._runner = self._runner, None
            if runner is not None:
                runner.run(self._lanes.close())
                runner.close()


async def _let_events_come() -> None:
    """Let the loop see what happened on its sockets, and tell the connections."""
    for _ in range(3):
        await asyncio.sleep(0)
