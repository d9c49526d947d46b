"""Writes unreadable broker messages to the dead letters, by way of a pool child.

The consumer itself opens no database connection: its children are forked from it later and would inherit it. It never
blocks either: a bounded number of letters is held in memory, one batch is being written at a time, and letters that
cannot be written before their deadline are only counted in the log.
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

#: letters held in memory until they are written, and letters written in one batch
HELD, AT_ONCE = 2000, 100
#: bytes kept of each message
LARGEST = 16 * 1024
#: seconds within which a letter must be written, and between two attempts
DEADLINE, PAUSE = 60.0, 2.0

#: writes letters in another process, then calls back with whether it succeeded
Write = Callable[[Sequence[DeadLetter], Callable[[bool], None]], Any]


class DeadLetterWriter:
    """The dead letters of one process that are not written yet."""

    def __init__(self) -> None:
        """Only log, and hold nothing, until `start` gives a function that writes."""
        self._lock = Lock()
        self._waiting: deque[tuple[float, DeadLetter]] = deque()
        self._is_busy = False
        self._write: Write | None = None
        self._later: Callable[[float, Callable[[], None]], Any] | None = None

    def start(self, write: Write, later: Callable[[float, Callable[[], None]], Any]) -> None:
        """Set the function that writes letters, and the one that calls a function after a delay in seconds."""
        with self._lock:
            self._write, self._later, self._is_busy = write, later, False
        self._flush()

    def put(self, queue: str, fault: Malformed, payload: bytes) -> None:
        """Log that a message is rejected and why, and queue it to be written. Does not block, raises nothing."""
        words = "a message in %(queue)s was rejected: %(fault)s" + (", id %(task_id)s" if fault.task_id else "")
        log.error(words, {"queue": queue, "fault": fault, "task_id": fault.task_id})
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
            words = "a rejected message in %(queue)s was not kept: %(waiting)d already wait to be written"
            log.error(words, {"queue": queue, "waiting": HELD})
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            if self._is_busy or self._write is None or not self._waiting:
                return
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            self._is_busy, write = True, self._write
        try:
            write([letter for _, letter in batch], lambda ok: self._written(batch, ok))
        except Exception as error:  # noqa: BLE001 - a pool that accepts nothing must not stop the consumer
            log.error("dead letters could not be passed to the pool: %s", type(error).__name__)
            self._written(batch, False)

    def _written(self, batch: list[tuple[float, DeadLetter]], ok: bool) -> None:
        now = time.monotonic()
        left = [] if ok else [(until, letter) for until, letter in batch if until > now]
        if not ok and len(left) < len(batch):
            log.error("%d rejected messages could not be kept", len(batch) - len(left))
        with self._lock:
            self._is_busy = False
            self._waiting.extendleft(reversed(left))
            later = self._later
        if ok:
            self._flush()
        elif later:
            later(PAUSE, self._flush)


#: the writer of this process
keeper = DeadLetterWriter()
