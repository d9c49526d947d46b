"""Who tells the workers of what was accepted: a thread of its own, for no caller waits for the broker."""

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from kombu.exceptions import OperationalError

from pipeline.errors import DatabaseFault
from pipeline.runtime import Runtime
from pipeline.stages.placement import Placements
from schema.message import Hint
from schema.message_class import MessageClass
from workers.producer import producer
from workers.queues import deliveries

log = logging.getLogger(__name__)

#: seconds a hint waits for company: a task costs its worker as much as fifty messages do
_GATHERED = {MessageClass.OTP: 0.003, MessageClass.TRANSACTIONAL: 0.03, MessageClass.BULK: 0.03}


class HintPublisher:
    """Hands hints to the broker, those that come together as one."""

    def __init__(self, rt: Runtime, broker_url: str) -> None:
        """Make it; broker and database are opened by the first hint."""
        self._rt = rt
        self._placements = Placements()
        self._celery = producer(broker_url)
        self._thread = ThreadPoolExecutor(1, "messenger")
        self._lock = threading.Lock()
        self._waiting: list[Hint] = []

    def tell(self, hints: Sequence[Hint]) -> None:
        """Have workers told of queued batches before long. Should a hint be lost, sweep gives another."""
        if not hints:
            return
        with self._lock:
            goes = not self._waiting
            self._waiting += hints
        if goes:
            self._thread.submit(self._go, min(_GATHERED[hint.message_class] for hint in hints))

    def close(self) -> None:
        """End when all is told."""
        self._thread.shutdown()

    def _go(self, seconds: float) -> None:
        time.sleep(seconds)
        with self._lock:
            hints, self._waiting = self._waiting, []
        try:
            for queue, batches in deliveries(hints, lambda carrier: self._placements.of(self._rt, carrier)):
                self._celery.send_task("sms.deliver", (batches,), queue=queue)
        except (OperationalError, DatabaseFault):
            log.warning("the broker is away; what was accepted will be hinted again")
