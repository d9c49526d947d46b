"""The notifier: a process that makes the calls of customers' webhooks, many at once, for as long as it lives.

It claims what is due, makes the calls side by side, and writes down what came of them in batches as they end. Several
notifiers share the work. One that dies leaves its calls to the others when their lease ends; told to stop, it lets its
calls end and claims no more.
"""

import asyncio
import contextlib
import logging
import signal
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from pipeline.dialects.contract import Herald
from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.doors import notify, subscribe
from pipeline.stages.doors.notify import Claimed, Errand, Outcome
from schema.vocabulary import Dialect
from workers import open_files
from workers.webhooks.caller import Caller
from workers.webhooks.heralds import HERALDS, compose
from workers.webhooks.lanes import Lanes

log = logging.getLogger(__name__)

T = TypeVar("T")

#: seconds between two looks when nothing happens
POLL = 0.5
#: seconds for which ended calls are gathered before they are written down, and how many at once
_GATHER, _BATCH = 0.01, 500
#: seconds before the database is asked again that was away, doubled up to the last
_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
#: seconds that open calls have to end when the process is told to: longer than any may take
GRACE = 20.0
#: an endpoint that answers so wants no more calls
_GONE = 410


class Notifier:
    """One process's calls."""

    def __init__(self, rt: Runtime, caller: Caller, heralds: Mapping[Dialect, Herald] = HERALDS) -> None:
        """Keep what it works with; nothing is opened before `run`."""
        self._rt = rt
        self._caller = caller
        self._heralds = heralds
        self._lanes = Lanes(rt.settings.webhook_lane)
        self._calls: dict[asyncio.Task[Outcome], Errand] = {}
        self._ended: list[Outcome] = []
        self._something_ended = asyncio.Event()
        self._look_again = asyncio.Event()
        # one thread: a claim sees what was recorded before it
        self._thread = ThreadPoolExecutor(1, "notifier")

    async def run(self, stop: asyncio.Event) -> None:
        """Make calls until told to stop; return when the last has ended and is written down."""
        writer = asyncio.create_task(self._write())
        stopped = asyncio.create_task(stop.wait())
        try:
            while not (stopped.done() or writer.done()):
                if not await self._look():
                    await self._rest(stopped, writer)
            if writer.done():  # it never ends by itself
                writer.result()
            await self._wind_up()
        finally:
            writer.cancel()
            stopped.cancel()
            await asyncio.gather(writer, stopped, return_exceptions=True)
            self._thread.shutdown()

    async def _look(self) -> bool:
        """Claim what there is room for and begin it; return whether there may be more at once."""
        room = self._rt.settings.webhook_window - self._lanes.total
        if room <= 0:
            return False
        rooms = self._lanes.rooms(time.monotonic())
        self._look_again.clear()
        claimed = await self._insist(lambda: notify.claim(self._rt, rooms, room), tries=1) or Claimed([], False)
        for errand in claimed.errands:
            self._lanes.begin(errand.lane)
            call = asyncio.create_task(self._run(errand))
            self._calls[call] = errand
            call.add_done_callback(partial(self._end, began=time.monotonic()))
        return claimed.is_more

    async def _rest(self, *ends: "asyncio.Task[Any]") -> None:
        """Wait until something ended, or for a while, or for one of the ends."""
        again = asyncio.create_task(self._look_again.wait())
        await asyncio.wait([again, *ends], timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()

    def _end(self, call: "asyncio.Task[Outcome]", began: float) -> None:
        errand = self._calls.pop(call)
        if call.cancelled():
            return
        if error := call.exception():
            log.error("a webhook's call failed with %s", type(error).__name__)
            herald = self._heralds.get(errand.told.dialect)
            outcome = Outcome(errand, "fault", heard=False, called=False, schedule=herald.SCHEDULE if herald else ())
        else:
            outcome = call.result()
        if outcome.called:
            self._lanes.judge(errand.lane, outcome.heard, began, time.monotonic(), outcome.asked)
        self._ended.append(outcome)
        self._something_ended.set()

    async def _run(self, errand: Errand) -> Outcome:
        """Compose one call, make it, and return what came of it."""
        herald = self._heralds.get(errand.told.dialect)
        if herald is None:
            return Outcome(errand, "no_dialect", heard=False, called=False)
        if not errand.secrets:
            return Outcome(errand, "secret_unreadable", heard=False, called=False, schedule=herald.SCHEDULE)
        posting = compose(herald, errand.told, errand.secrets, self._rt.now())
        if posting is None:
            return Outcome(errand, "unsaid", heard=True, called=False)
        answer = await self._caller.post(errand.url, posting, herald.TIMEOUT)
        if isinstance(answer, str):
            return Outcome(errand, answer, heard=False, schedule=herald.SCHEDULE)
        return Outcome(
            errand,
            str(answer.status),
            heard=answer.status in herald.SUCCESSES,
            gone=answer.status == _GONE,
            schedule=herald.SCHEDULE,
            asked=notify.asked_to_wait(self._rt, answer.status, answer.headers, herald.SCHEDULE),
        )

    async def _write(self) -> None:
        """Write down what ended, for ever: a room is free again only then."""
        while True:
            await self._something_ended.wait()
            await asyncio.sleep(_GATHER)
            await self._write_batch()

    async def _write_batch(self) -> None:
        batch, self._ended = self._ended[:_BATCH], self._ended[_BATCH:]
        if not self._ended:
            self._something_ended.clear()
        try:
            suspended = await self._insist(lambda: notify.record(self._rt, batch))
        except DatabaseFault as fault:  # it is the data: the same again would fail the same
            log.error("what came of %s webhook calls cannot be written: %s", len(batch), fault)
            suspended = None
        for outcome in batch:
            self._lanes.end(outcome.errand.lane)
        for endpoint in suspended or ():
            log.warning("webhook endpoint %s is suspended: it fails, or is gone", endpoint)
        self._look_again.set()

    async def _wind_up(self) -> None:
        """Let open calls end for a while, write down what ended, and leave the rest to others."""
        if self._calls:
            await asyncio.wait(list(self._calls), timeout=GRACE)
        left = list(self._calls.values())
        for call in list(self._calls):
            call.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE / 2):
                while self._lanes.total > len(left):
                    self._look_again.clear()
                    await self._look_again.wait()
        if left:
            await self._insist(lambda: notify.give_back(self._rt, left), tries=3)

    async def _insist(self, work: Callable[[], T], tries: int | None = None) -> T | None:
        """Return what the work returns, in the database's thread; while that is away, again (so often), then None."""
        pause = _PAUSE
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
            except DatabaseFault as fault:
                if fault.is_final:
                    raise
                log.warning("the notifier's database: %s", fault)
                tries = None if tries is None else tries - 1
            if tries == 0:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def serve(settings: Settings) -> None:
    """Make calls until SIGTERM or SIGINT; ConfigurationError when a setting does not fit."""
    rt = Runtime(settings)
    try:
        reach = subscribe.reach(rt)
        open_files.allow(2 * settings.webhook_window + 256)
        asyncio.run(_serve(rt, Caller(reach)))
    finally:
        rt.close()


async def _serve(rt: Runtime, caller: Caller) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with caller:
        await Notifier(rt, caller).run(stop)
