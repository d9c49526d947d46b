"""Calls that arrive together become one batch: so many of them, or those of a few milliseconds."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from typing import Any, Generic, TypeVar

from pipeline.errors import DatabaseFault

T = TypeVar("T")
R = TypeVar("R")

_Waiter = tuple[Sequence[T], asyncio.Future[Sequence[R]]]


#: seconds for which anybody waits for the database in all, also where its server is frozen and keeps no deadline
LONGEST = 20.0


async def in_time(work: Awaitable[R], seconds: float | None = None) -> R:
    """Return what work comes to; DatabaseFault when it takes longer. What a thread has begun goes on, unheard."""
    try:
        async with asyncio.timeout(LONGEST if seconds is None else seconds):
            return await work
    except TimeoutError:
        raise DatabaseFault("the database does not answer in time") from None


class Gather(Generic[T, R]):
    """Gathers items of many callers; each caller waits until its own are done with."""

    def __init__(
        self, work: Callable[[list[T]], Sequence[R]], executor: Executor, *, most: int, seconds: float
    ) -> None:
        """Have `work` done on at most so many items at once, no later than so many seconds after the first came.

        `work` runs in the executor and returns one result for each item, in order, or none at all; items that come
        meanwhile make up the next batch.
        """
        self._work, self._executor, self._most, self._seconds = work, executor, most, seconds
        self._waiting: list[_Waiter[T, R]] = []
        self._runner: asyncio.Task[None] | None = None

    async def add(self, items: Sequence[T]) -> Sequence[R]:
        """Return what became of the items, in order, when they are done with; raise what `work` raised on them.

        Raises DatabaseFault when that takes longer than LONGEST.
        """
        done: asyncio.Future[Sequence[R]] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, done))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        return await in_time(done)

    async def _run(self) -> None:
        await asyncio.sleep(self._seconds)
        while self._waiting:
            batch = self._take()
            if not batch:
                break
            try:
                items = [item for some, _ in batch for item in some]
                results = await asyncio.get_running_loop().run_in_executor(self._executor, self._work, items)
            except Exception as error:  # noqa: BLE001 - it is each caller's to handle
                _tell(batch, error)
            else:
                _hand_out(batch, results)
        self._runner = None

    def _take(self) -> list[_Waiter[T, R]]:
        count, places = 0, 0
        # whoever waits no longer was told that nothing was done, so nothing is
        self._waiting = [waiter for waiter in self._waiting if not waiter[1].cancelled()]
        for some, _ in self._waiting:
            if places and count + len(some) > self._most:
                break
            count, places = count + len(some), places + 1
        batch, self._waiting = self._waiting[:places], self._waiting[places:]
        return batch


def _hand_out(batch: Sequence[_Waiter[Any, R]], results: Sequence[R]) -> None:
    start = 0
    for some, done in batch:
        if not done.cancelled():
            done.set_result(results[start : start + len(some)])
        start += len(some)


def _tell(batch: Sequence[_Waiter[Any, Any]], error: Exception) -> None:
    for _, done in batch:
        if not done.cancelled():
            done.set_exception(error)
