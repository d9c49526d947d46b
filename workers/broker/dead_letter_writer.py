"""Hands broker messages that cannot be read to a pool child, which writes them to the dead list.

The consumer itself has no connection to the database: its children are forked from it later and would inherit one. It
waits for nothing either: a bounded number of letters is held in memory, one batch of them is on its way at a time, and
what cannot be written within a deadline is only counted in the log.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Any

from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource
from workers.broker.rejections import Malformed

log = logging.getLogger(__name__)

#: letters held until they are written, and how many are written at once
HELD, AT_ONCE = 2000, 100
#: bytes of each that are held
LARGEST = 16 * 1024
#: seconds within which a letter is written, and between two tries
DEADLINE, PAUSE = 60.0, 2.0

#: has letters written elsewhere, and then says whether they were
Write = Callable[[Sequence[DeadLetter], Callable[[bool], None]], Any]


class DeadLetterWriter:
    """The letters of one process that are not written yet."""

    def __init__(self) -> None:
        """Hold nothing, and only log, until there is someone who writes."""
        self._lock = Lock()
        self._waiting: deque[tuple[float, DeadLetter]] = deque()
        self._is_busy = False
        self._write: Write | None = None
        self._later: Callable[[float, Callable[[], None]], Any] | None = None

    def start(self, write: Write, later: Callable[[float, Callable[[], None]], Any]) -> None:
        """Take what writes letters, and what calls a function after so many seconds."""
        with self._lock:
            self._write, self._later, self._is_busy = write, later, False
        self._flush()

    def put(self, queue: str, fault: Malformed, payload: bytes) -> None:
        """Log that a message is thrown away and why, and have it kept. Returns at once and raises nothing."""
        log.error(
            "a message in %s was thrown away: %s%s", queue, fault, f", id {fault.task_id}" if fault.task_id else ""
        )
        letter = DeadLetter(
            DeadLetterSource.BROKER, queue, str(fault.reason), bytes(payload[:LARGEST]), length=len(payload)
        )
        with self._lock:
            if self._write is None:
                return
            fits = len(self._waiting) < HELD
            if fits:
                self._waiting.append((time.monotonic() + DEADLINE, letter))
        if not fits:
            log.error("a message in %s was not kept: %d wait to be written", queue, HELD)
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            if self._is_busy or self._write is None or not self._waiting:
                return
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            self._is_busy, write = True, self._write
        try:
            write([letter for _, letter in batch], lambda ok: self._written(batch, ok))
        except Exception as error:  # noqa: BLE001 - a pool that takes nothing must not stop the consumer
            log.error("dead letters could not be handed over: %s", type(error).__name__)
            self._written(batch, False)

    def _written(self, batch: list[tuple[float, DeadLetter]], ok: bool) -> None:
        now = time.monotonic()
        left = [] if ok else [each for each in batch if each[0] > now]
        if not ok and len(left) < len(batch):
            log.error("%d messages that were thrown away could not be kept", len(batch) - len(left))
        with self._lock:
            self._is_busy = False
            self._waiting.extendleft(reversed(left))
            later = self._later
        if ok:
            self._flush()
        elif later:
            later(PAUSE, self._flush)


#: this process's
keeper = DeadLetterWriter()
