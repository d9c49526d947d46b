"""Who calls: a process with keep-alive connections that sends ready requests, as fast as it goes or at a rate."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import uvloop


@dataclass(slots=True)
class LoadResult:
    """What one run of calls was answered."""

    #: HTTP status → how many
    statuses: Counter[int] = field(default_factory=Counter)
    #: seconds each call took; at a rate, from the moment it was due
    took: list[float] = field(default_factory=list)
    #: seconds since 1970 of the first byte sent and the last one heard
    began: float = 0.0
    ended: float = 0.0
    #: CPU seconds of the caller
    cpu: float = 0.0


def call(port: int, requests: Sequence[bytes], connections: int, rate: float = 0.0) -> LoadResult:
    """Send the requests over so many connections, at so many a second (0: as fast as they are answered)."""
    spent = time.process_time()
    load_result = uvloop.run(_call(port, requests, connections, rate))
    load_result.cpu = time.process_time() - spent
    return load_result


async def _call(port: int, requests: Sequence[bytes], connections: int, rate: float) -> LoadResult:
    run = _Run(deque(requests), len(requests))
    loop = asyncio.get_running_loop()
    lines = [(await loop.create_connection(lambda: _Line(run), "127.0.0.1", port))[1] for _ in range(connections)]
    run.load_result.began = time.time()
    if rate:
        run.at_rate = True
        run.idle.extend(lines)
        await _at_rate(run, rate)
    else:
        for line in lines:
            line.go(time.perf_counter())
    await run.over.wait()
    run.load_result.ended = time.time()
    return run.load_result


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
        #: connections with nothing to do, and moments at which a call was due that none was free for
        self.idle: deque[_Line] = deque()
        self.due: deque[float] = deque()
        self.at_rate = False
        self.load_result = LoadResult()
        self.over = asyncio.Event()


class _Line(asyncio.Protocol):
    """One connection: a request, its answer, the next."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._since = 0.0
        self._had = bytearray()
        self._wants = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by name

    def connection_lost(self, exc: Exception | None) -> None:
        self._run.over.set()

    def go(self, since: float) -> None:
        """Send the next request."""
        self._since = since
        self._transport.write(self._run.requests.popleft())

    def data_received(self, data: bytes) -> None:
        self._had += data
        if not self._wants:
            head = self._had.find(b"\r\n\r\n")
            if head < 0:
                return
            lines = bytes(self._had[:head]).lower().split(b"\r\n")
            length = next(line for line in lines if line.startswith(b"content-length:"))
            self._wants = head + 4 + int(length.partition(b":")[2])
        if len(self._had) >= self._wants:
            self._answered(int(self._had[9:12]))

    def _answered(self, status: int) -> None:
        run = self._run
        run.load_result.statuses[status] += 1
        run.load_result.took.append(time.perf_counter() - self._since)
        self._had.clear()
        self._wants = 0
        run.left -= 1
        if not run.left:
            run.over.set()
        elif run.due:
            self.go(run.due.popleft())
        elif run.at_rate:
            run.idle.append(self)
        elif run.requests:
            self.go(time.perf_counter())
