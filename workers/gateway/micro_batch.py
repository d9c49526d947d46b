"""Micro-batching: gathers the items of concurrent calls into batches, limited by size and milliseconds."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

from pipeline.errors import DatabaseFault

T = TypeVar("T")
R = TypeVar("R")

_Waiter = tuple[Sequence[T], asyncio.Future[Sequence[R]]]


#: longest wait for the database in seconds, also when its server is frozen and enforces no timeout
LONGEST = 20.0
_LATE = "the database does not answer in time"


async def in_time(work: Awaitable[R], seconds: float | None = None) -> R:
    """Return the result of the work; DatabaseFault after a timeout. Work begun in a thread goes on unseen."""
    try:
        async with asyncio.timeout(LONGEST if seconds is None else seconds):
            return await work
    except TimeoutError:
        raise DatabaseFault(_LATE) from None


class MicroBatch(Generic[T, R]):
    """Gathers items of many callers; each caller waits for the results of its own."""

    def __init__(
        self, work: Callable[[list[T]], Sequence[R]], executor: Executor, *, most: int, seconds: float
    ) -> None:
        """Call `work` with at most `most` items, at the latest `seconds` after the first came.

        `work` runs in the executor and returns one result for each item, in order, or none at all; items that come
        meanwhile form the next batch.
        """
        self._work, self._executor, self._most, self._seconds = work, executor, most, seconds
        self._waiting: list[_Waiter[T, R]] = []
        self._runner: asyncio.Task[None] | None = None
        self._deadlines = _Deadlines()

    async def add(self, items: Sequence[T]) -> Sequence[R]:
        """Return the items' results in order; raise what `work` raised on them.

        Raises DatabaseFault when that takes longer than LONGEST.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Sequence[R]] = loop.create_future()
        self._waiting.append((items, done))
        self._deadlines.watch(loop, done)
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await done

    async def _run(self) -> None:
        await asyncio.sleep(self._seconds)
        while self._waiting:
            batch = self._take()
            if not batch:
                break
            try:
                items = [item for some, _ in batch for item in some]
                results = await asyncio.get_running_loop().run_in_executor(self._executor, self._work, items)
            except Exception as error:  # noqa: BLE001 - raised to each caller
                _fail(batch, error)
            else:
                _hand_out(batch, results)
        self._runner = None

    def _take(self) -> list[_Waiter[T, R]]:
        count, places = 0, 0
        # a caller that timed out got an error: none of its items may be processed, so drop them
        self._waiting = [(some, done) for some, done in self._waiting if not done.done()]
        for some, _ in self._waiting:
            if places and count + len(some) > self._most:
                break
            count, places = count + len(some), places + 1
        batch, self._waiting = self._waiting[:places], self._waiting[places:]
        return batch


def _hand_out(batch: Sequence[_Waiter[Any, R]], results: Sequence[R]) -> None:
    start = 0
    for some, done in batch:
        if not done.done():
            done.set_result(results[start : start + len(some)])
        start += len(some)


def _fail(batch: Sequence[_Waiter[Any, Any]], error: Exception) -> None:
    for _, done in batch:
        if not done.done():
            done.set_exception(error)


class _Deadlines:
    """Fails waits that take longer than LONGEST; one timer serves all, as one for each costs several µs a call."""

    def __init__(self) -> None:
        #: waits with their deadlines, the earliest first; some may be done already
        self._watched: deque[tuple[float, asyncio.Future[Any]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._expires_at = float("inf")

    def watch(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[Any]) -> None:
        """Fail a wait with DatabaseFault when LONGEST is over and it is not done."""
        watched, deadline = self._watched, loop.time() + LONGEST
        while watched and watched[0][1].done():
            watched.popleft()
        watched.append((deadline, done))
        if deadline < self._expires_at:
            self._start(loop, deadline)

    def _start(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._expires_at, self._timer = at, loop.call_at(at, self._expire, loop)

    def _expire(self, loop: asyncio.AbstractEventLoop) -> None:
        self._expires_at, self._timer = float("inf"), None
        late, watched = loop.time(), self._watched
        while watched and (watched[0][1].done() or watched[0][0] <= late):
            _, done = watched.popleft()
            if not done.done():
                done.set_exception(DatabaseFault(_LATE))
        if watched:
            self._start(loop, watched[0][0])
