"""Calls that arrive together become one batch: so many of them, or those of a few milliseconds."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

T = TypeVar("T")


class Gather(Generic[T]):
    """Gathers items of many callers; each caller waits until its own are done with."""

    def __init__(self, work: Callable[[Sequence[T]], object], executor: Executor, *, most: int, seconds: float) -> None:
        """Have `work` done on at most so many items at once, no later than so many seconds after the first came.

        `work` runs in the executor; items that come meanwhile make up the next batch.
        """
        self._work, self._executor, self._most, self._seconds = work, executor, most, seconds
        self._waiting: list[tuple[Sequence[T], asyncio.Future[None]]] = []
        self._runner: asyncio.Task[None] | None = None

    async def add(self, items: Sequence[T]) -> None:
        """Return when the items are done with; raise what `work` raised on their batch."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((items, done))
        if self._runner is None:
            self._runner = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        await asyncio.sleep(self._seconds)
        while self._waiting:
            batch = self._take()
            try:
                items = [item for some, _ in batch for item in some]
                await asyncio.get_running_loop().run_in_executor(self._executor, self._work, items)
            except Exception as error:  # noqa: BLE001 - it is each caller's to handle
                self._tell(batch, error)
            else:
                self._tell(batch, None)
        self._runner = None

    def _take(self) -> list[tuple[Sequence[T], asyncio.Future[None]]]:
        count, places = 0, 0
        for some, _ in self._waiting:
            if places and count + len(some) > self._most:
                break
            count, places = count + len(some), places + 1
        batch, self._waiting = self._waiting[:places], self._waiting[places:]
        return batch

    @staticmethod
    def _tell(batch: Sequence[tuple[Sequence[T], asyncio.Future[None]]], error: Exception | None) -> None:
        for _, done in batch:
            if done.cancelled():
                continue
            if error is None:
                done.set_result(None)
            else:
                done.set_exception(error)
