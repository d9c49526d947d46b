"""The notifier: a process that calls customers' webhooks, many at once, and e-mails operators about campaigns.

It claims due deliveries, makes their calls concurrently, and records the outcomes in batches as they end. Several
notifiers share the work. The deliveries of one that dies go to the others when their lease expires; one that is stopped
claims no more and lets its calls end.
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

from pipeline.dialects.contract import WebhookFormatter
from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.api import webhook_deliveries, webhook_endpoints
from pipeline.stages.api.webhook_deliveries import CallOutcome, DeliveryJob
from workers import open_files
from workers.alerts.alert_mailer import AlertMailer
from workers.processes.heartbeat_file import Heartbeat
from workers.webhooks.endpoint_window import EndpointWindows
from workers.webhooks.formatters import compose, formatters
from workers.webhooks.webhook_client import WebhookClient

log = logging.getLogger(__name__)

T = TypeVar("T")

#: seconds between two claims when nothing happens
POLL = 0.5
#: seconds for which ended calls are gathered before they are recorded, and calls recorded at once
_MICRO_BATCH, _BATCH = 0.01, 500
#: seconds before a retry when the database is unreachable, doubled up to the second
_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
#: seconds that open calls may take to end at a stop: longer than any call's timeout
GRACE = 20.0
#: status of an endpoint that wants no more calls (RFC 9110)
_GONE = 410


class Notifier:
    """The webhook calls of one process."""

    def __init__(
        self,
        rt: Runtime,
        client: WebhookClient,
        composing: Mapping[str, WebhookFormatter] | None = None,
        beat: Callable[[], None] = lambda: None,
    ) -> None:
        """Take its client and formatters; nothing is opened before `run`. `beat` is called after each claim."""
        self._rt = rt
        self._beat = beat
        self._client = client
        self._formatters = formatters() if composing is None else composing
        self._windows = EndpointWindows(rt.settings.webhook_lane)
        self._calls: dict[asyncio.Task[CallOutcome], DeliveryJob] = {}
        self._ended: list[CallOutcome] = []
        self._something_ended = asyncio.Event()
        self._look_again = asyncio.Event()
        # one thread: a claim sees what was recorded before it
        self._thread = ThreadPoolExecutor(1, "notifier")

    async def run(self, stop: asyncio.Event) -> None:
        """Make calls until `stop` is set; return when the last has ended and is recorded."""
        writer = asyncio.create_task(self._write())
        stopped = asyncio.create_task(stop.wait())
        try:
            while not (stopped.done() or writer.done()):
                if not await self._look():
                    await self._rest(stopped, writer)
            if writer.done():  # it ends only by an error
                writer.result()
            await self._wind_up()
        finally:
            writer.cancel()
            stopped.cancel()
            await asyncio.gather(writer, stopped, return_exceptions=True)
            self._thread.shutdown()

    async def _look(self) -> bool:
        """Claim as many deliveries as the windows allow and start their calls; return whether more may be due."""
        room = self._rt.settings.webhook_window - self._windows.total
        if room <= 0:
            return False
        rooms = self._windows.rooms(time.monotonic())
        self._look_again.clear()
        claimed = await self._insist(lambda: webhook_deliveries.claim(self._rt, rooms, room), tries=1)
        if claimed is None:
            return False
        self._beat()
        for job in claimed.jobs:
            self._windows.begin(job.concurrency_key)
            call = asyncio.create_task(self._run(job))
            self._calls[call] = job
            call.add_done_callback(partial(self._end, began=time.monotonic()))
        return claimed.is_more

    async def _rest(self, *ends: "asyncio.Task[Any]") -> None:
        """Wait until a call ended, for at most POLL, or until one of the tasks is done."""
        again = asyncio.create_task(self._look_again.wait())
        await asyncio.wait([again, *ends], timeout=POLL, return_when=asyncio.FIRST_COMPLETED)
        again.cancel()

    def _end(self, call: "asyncio.Task[CallOutcome]", began: float) -> None:
        job = self._calls.pop(call)
        if call.cancelled():
            return
        if error := call.exception():
            log.error("a webhook call failed with %s", type(error).__name__)
            formatter = self._formatters.get(job.notification.dialect)
            outcome = CallOutcome(
                job, "fault", accepted=False, called=False, schedule=formatter.SCHEDULE if formatter else ()
            )
        else:
            outcome = call.result()
        if outcome.called:
            self._windows.judge(job.concurrency_key, outcome.accepted, began, time.monotonic(), outcome.asked)
        self._ended.append(outcome)
        self._something_ended.set()

    async def _run(self, job: DeliveryJob) -> CallOutcome:
        """Compose one call, make it, and return its outcome."""
        formatter = self._formatters.get(job.notification.dialect)
        if formatter is None:
            return CallOutcome(job, "no_dialect", accepted=False, called=False)
        if not job.secrets:
            return CallOutcome(job, "secret_unreadable", accepted=False, called=False, schedule=formatter.SCHEDULE)
        posting = compose(formatter, job.notification, job.secrets, self._rt.now())
        if posting is None:
            return CallOutcome(job, "unsaid", accepted=True, called=False)
        answer = await self._client.post(job.url, posting, formatter.TIMEOUT)
        if isinstance(answer, str):
            return CallOutcome(job, answer, accepted=False, schedule=formatter.SCHEDULE)
        return CallOutcome(
            job,
            str(answer.status),
            accepted=answer.status in formatter.SUCCESSES,
            gone=answer.status == _GONE,
            schedule=formatter.SCHEDULE,
            asked=webhook_deliveries.asked_to_wait(self._rt, answer.status, answer.headers, formatter.SCHEDULE),
        )

    async def _write(self) -> None:
        """Record ended calls in an endless loop: their place in the window is free again only then."""
        while True:
            await self._something_ended.wait()
            await asyncio.sleep(_MICRO_BATCH)
            await self._write_batch()

    async def _write_batch(self) -> None:
        batch, self._ended = self._ended[:_BATCH], self._ended[_BATCH:]
        if not self._ended:
            self._something_ended.clear()
        try:
            suspended = await self._insist(lambda: webhook_deliveries.record(self._rt, batch))
        except DatabaseFault as fault:  # caused by the data: a retry would fail again
            log.error("the outcomes of %s webhook calls cannot be recorded: %s", len(batch), fault)
            suspended = None
        for outcome in batch:
            self._windows.end(outcome.job.concurrency_key)
        for endpoint in suspended or ():
            words = "webhook endpoint %(endpoint)s is suspended: it keeps failing, or answered 410"
            log.warning(words, {"endpoint": endpoint})
        self._look_again.set()

    async def _wind_up(self) -> None:
        """Wait for open calls for a while, record those that ended, and release the others."""
        if self._calls:
            await asyncio.wait(list(self._calls), timeout=GRACE)
        left = list(self._calls.values())
        for call in list(self._calls):
            call.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE / 2):
                while self._windows.total > len(left):
                    self._look_again.clear()
                    await self._look_again.wait()
        if left:
            await self._insist(lambda: webhook_deliveries.give_back(self._rt, left), tries=3)

    async def _insist(self, work: Callable[[], T], tries: int | None = None) -> T | None:
        """Run work in the database thread; retry while it is unreachable, `tries` times at most, then return None."""
        pause = _PAUSE
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._thread, work)
            except DatabaseFault as fault:
                if fault.is_final:
                    raise
                log.warning("the notifier cannot reach the database: %s", fault)
                tries = None if tries is None else tries - 1
            if tries == 0:
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def serve(settings: Settings) -> None:
    """Make calls until SIGTERM or SIGINT; ConfigurationError when a setting is invalid."""
    rt = Runtime(settings)
    try:
        reach = webhook_endpoints.allowed_addresses(rt)
        open_files.allow(2 * settings.webhook_window + 256)
        asyncio.run(_serve(rt, WebhookClient(reach), AlertMailer(rt)))
    finally:
        rt.close()


async def _serve(rt: Runtime, client: WebhookClient, mailer: AlertMailer) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    mailing = asyncio.create_task(mailer.run(stop))
    try:
        async with client:
            await Notifier(rt, client, beat=Heartbeat(rt.settings.home, "notifier").beat).run(stop)
    finally:
        stop.set()
        await asyncio.gather(mailing, return_exceptions=True)
