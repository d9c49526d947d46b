"""The HTTP load generator: sends prepared requests over keep-alive connections, at full speed or at a rate."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop


@dataclass(slots=True)
class LoadResult:
    """The responses and times of one run."""

    #: HTTP status → how many
    statuses: Counter[int] = field(default_factory=Counter)
    #: seconds of each call; at a rate, from the time it was due
    took: list[float] = field(default_factory=list)
    #: seconds since 1970 of the first byte sent and the last one received
    began: float = 0.0
    ended: float = 0.0
    #: CPU seconds of this process
    cpu: float = 0.0


def call(port: int, requests: Sequence[bytes], connections: int, rate: float = 0.0) -> LoadResult:
    """Send the requests over that many connections, at `rate` per second (0: as fast as they are answered)."""
    spent = time.process_time()
    result = uvloop.run(_call(port, requests, connections, rate))
    result.cpu = time.process_time() - spent
    return result


async def _call(port: int, requests: Sequence[bytes], connections: int, rate: float) -> LoadResult:
    run = _Run(deque(requests), len(requests))
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: _Connection(run), "127.0.0.1", port))[1] for _ in range(connections)
    ]
    run.result.began = time.time()
    if rate:
        run.at_rate = True
        run.idle.extend(opened)
        await _at_rate(run, rate)
    else:
        for connection in opened:
            connection.go(time.perf_counter())
    await run.over.wait()
    run.result.ended = time.time()
    return run.result


async def _at_rate(run: "_Run", rate: float) -> None:
    began = time.perf_counter()
    for place in range(run.left):
        due = began + place / rate
        if (ahead := due - time.perf_counter()) > 0:
            await asyncio.sleep(ahead)
        run.due.append(due)
        if run.idle:
            run.idle.pop().go(run.due.popleft())


class _Run:
    def __init__(self, requests: deque[bytes], count: int) -> None:
        self.requests, self.left = requests, count
        #: idle connections, and due times of calls that wait for one
        self.idle: deque[_Connection] = deque()
        self.due: deque[float] = deque()
        self.at_rate = False
        self.result = LoadResult()
        self.over = asyncio.Event()


class _Connection(asyncio.Protocol):
    """One connection: a request, its response, the next."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._since = 0.0
        self._received = bytearray()
        self._length = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is not a subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.over.set()

    def go(self, since: float) -> None:
        """Send the next request."""
        self._since = since
        self._transport.write(self._run.requests.popleft())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._length:
            head = self._received.find(b"\r\n\r\n")
            if head < 0:
                return
            lines = bytes(self._received[:head]).lower().split(b"\r\n")
            length = next(line for line in lines if line.startswith(b"content-length:"))
            self._length = head + 4 + int(length.partition(b":")[2])
        if len(self._received) >= self._length:
            self._answered(int(self._received[9:12]))

    def _answered(self, status: int) -> None:
        run = self._run
        run.result.statuses[status] += 1
        run.result.took.append(time.perf_counter() - self._since)
        self._received.clear()
        self._length = 0
        run.left -= 1
        if not run.left:
            run.over.set()
        elif run.due:
            self.go(run.due.popleft())
        elif run.at_rate:
            run.idle.append(self)
        elif run.requests:
            self.go(time.perf_counter())
