"""Publishes hints for accepted batches, in a thread of its own: no API request waits for the broker."""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from kombu.exceptions import OperationalError

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from schema.message import Hint
from schema.message_class import MessageClass
from workers.producer import producer
from workers.task_calls import deliver_calls

log = logging.getLogger(__name__)

#: seconds for which hints are gathered: a task costs its worker as much as fifty messages
_GATHERED = {MessageClass.OTP: 0.003, MessageClass.TRANSACTIONAL: 0.03, MessageClass.BULK: 0.03}


class HintPublisher:
    """Publishes hints to the broker; those that are gathered become one."""

    def __init__(self, rt: Runtime, broker_url: str) -> None:
        """Take the runtime and the broker's URL; broker and database are opened by the first hint."""
        self._rt = rt
        self._celery = producer(broker_url)
        self._thread = ThreadPoolExecutor(1, "hints")
        self._lock = threading.Lock()
        self._waiting: list[Hint] = []

    def publish(self, hints: Sequence[Hint]) -> None:
        """Publish hints for queued batches soon, without waiting. If one is lost, sweep publishes another."""
        if not hints:
            return
        with self._lock:
            goes = not self._waiting
            self._waiting += hints
        if goes:
            self._thread.submit(self._go, min(_GATHERED[hint.message_class] for hint in hints))

    def close(self) -> None:
        """Publish what is gathered, then end the thread."""
        self._thread.shutdown()

    def _go(self, seconds: float) -> None:
        time.sleep(seconds)
        with self._lock:
            hints, self._waiting = self._waiting, []
        try:
            for call in deliver_calls(self._rt, hints):
                self._celery.send_task(call.task, call.args, queue=call.queue)
        except (OperationalError, DatabaseFault):
            log.warning("the broker is away; what was accepted will be hinted again")
