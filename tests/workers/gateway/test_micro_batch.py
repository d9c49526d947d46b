"""Concurrent API calls are gathered in one batch, and each call gets its own results."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from workers.gateway import micro_batch as gathers
from workers.gateway.micro_batch import MicroBatch


class Work:
    """Notes what it is given, and may be held up or fail."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.begun = threading.Event()
        self.fails_on: set[int] = set()

    def __call__(self, items: Sequence[int]) -> Sequence[int]:
        self.batches.append(list(items))
        self.begun.set()
        assert self.open.wait(20)
        if self.fails_on & set(items):
            raise ValueError(str(sorted(self.fails_on)))
        return [10 * item for item in items]


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


@pytest.fixture
def work() -> Work:
    return Work()


Gathering = Callable[[MicroBatch[int, int]], Coroutine[Any, Any, None]]


@pytest.fixture
def gathering(executor: ThreadPoolExecutor, work: Work) -> Callable[..., None]:
    """Runs a story with a gather of so many items at most."""

    def run(story: Gathering, most: int = 1000) -> None:
        async def main() -> None:
            await asyncio.wait_for(story(MicroBatch(work, executor, most=most, seconds=0.005)), 20)

        asyncio.run(main())

    return run


async def outcomes(*calls: Awaitable[Sequence[int]]) -> list[object]:
    received = await asyncio.gather(*calls, return_exceptions=True)
    return [str(each) if isinstance(each, Exception) else each for each in received]


def test_concurrent_calls_are_one_batch_in_their_order(gathering: Callable[..., None], work: Work) -> None:
    async def story(micro_batch: MicroBatch[int, int]) -> None:
        await asyncio.gather(*(micro_batch.add([number, -number]) for number in range(1, 101)))

    gathering(story)

    assert work.batches == [[each for number in range(1, 101) for each in (number, -number)]]


def test_each_call_gets_the_results_of_its_own_items(gathering: Callable[..., None], work: Work) -> None:
    received: list[object] = []

    async def story(micro_batch: MicroBatch[int, int]) -> None:
        received.extend(await outcomes(micro_batch.add([1, 2]), micro_batch.add([]), micro_batch.add([3])))

    gathering(story)

    assert work.batches == [[1, 2, 3]]
    assert received == [[10, 20], [], [30]]


def test_sequential_calls_are_separate_batches(gathering: Callable[..., None], work: Work) -> None:
    async def story(micro_batch: MicroBatch[int, int]) -> None:
        await micro_batch.add([1])
        await micro_batch.add([2])

    gathering(story)

    assert work.batches == [[1], [2]]


@pytest.mark.parametrize(
    ("calls", "batches"),
    [
        pytest.param([[1, 2], [3, 4], [5]], [[1, 2, 3, 4], [5]], id="as many as fit"),
        pytest.param([[1, 2, 3], [4, 5], [6]], [[1, 2, 3], [4, 5, 6]], id="a call is never split"),
        pytest.param([[1], [2, 3, 4, 5, 6], [7]], [[1], [2, 3, 4, 5, 6], [7]], id="a call of too many goes alone"),
        pytest.param([[], [1]], [[1]], id="a call of nothing"),
    ],
)
def test_a_batch_has_a_maximum_size_and_never_splits_a_call(
    gathering: Callable[..., None], work: Work, calls: list[list[int]], batches: list[list[int]]
) -> None:
    async def story(micro_batch: MicroBatch[int, int]) -> None:
        await asyncio.gather(*(micro_batch.add(items) for items in calls))

    gathering(story, most=4)

    assert work.batches == batches


def test_calls_during_a_running_batch_form_the_next_batch(gathering: Callable[..., None], work: Work) -> None:
    async def story(micro_batch: MicroBatch[int, int]) -> None:
        work.open.clear()
        first = asyncio.create_task(micro_batch.add([1]))
        await asyncio.to_thread(work.begun.wait, 20)
        later = [asyncio.create_task(micro_batch.add([number])) for number in (2, 3)]
        await asyncio.sleep(0)
        work.open.set()
        await asyncio.gather(first, *later)

    gathering(story)

    assert work.batches == [[1], [2, 3]]


def test_no_call_returns_before_its_batch_is_done(gathering: Callable[..., None], work: Work) -> None:
    done: list[bool] = []

    async def story(micro_batch: MicroBatch[int, int]) -> None:
        work.open.clear()
        calls = [asyncio.create_task(micro_batch.add([number])) for number in range(3)]
        await asyncio.to_thread(work.begun.wait, 20)
        done.extend(call.done() for call in calls)
        work.open.set()
        await asyncio.gather(*calls)

    gathering(story)

    assert done == [False, False, False]


def test_a_failing_batch_fails_all_its_calls_and_no_others(gathering: Callable[..., None], work: Work) -> None:
    received: list[object] = []
    work.fails_on = {2}

    async def story(micro_batch: MicroBatch[int, int]) -> None:
        received.extend(await outcomes(*(micro_batch.add([number]) for number in range(5))))
        received.extend(await outcomes(micro_batch.add([9])))

    gathering(story, most=2)

    assert work.batches == [[0, 1], [2, 3], [4], [9]]
    assert received == [[0], [10], "[2]", "[2]", [40], [90]]


def test_a_cancelled_call_does_not_block_the_others_of_its_batch(gathering: Callable[..., None], work: Work) -> None:
    async def story(micro_batch: MicroBatch[int, int]) -> None:
        work.open.clear()
        calls = [asyncio.create_task(micro_batch.add([number])) for number in range(3)]
        await asyncio.to_thread(work.begun.wait, 20)
        calls[1].cancel()
        await asyncio.sleep(0)
        work.open.set()
        await asyncio.gather(calls[0], calls[2])

    gathering(story)

    assert work.batches == [[0, 1, 2]]


def test_calls_that_wait_too_long_fail_and_unstarted_ones_are_not_executed(
    gathering: Callable[..., None], work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    received: list[object] = []
    monkeypatch.setattr(gathers, "LONGEST", 0.1)

    async def story(micro_batch: MicroBatch[int, int]) -> None:
        work.open.clear()
        begun = asyncio.create_task(outcomes(micro_batch.add([1])))
        await asyncio.to_thread(work.begun.wait, 20)
        waiting = asyncio.create_task(outcomes(micro_batch.add([2]), micro_batch.add([3])))
        await asyncio.sleep(0.05)
        later = asyncio.create_task(outcomes(micro_batch.add([4])))
        received.extend([await begun, await waiting, await later])
        work.open.set()
        received.append(await outcomes(micro_batch.add([5])))

    gathering(story)

    words = "the database does not answer in time"
    assert received == [[words], [words, words], [words], [[50]]]
    assert work.batches == [[1], [5]]
