"""Celery's consumer behind a gate: the one place where a broker message becomes a task.

Each message is read by our own reader first, and Celery is given another in its place that says only what a task of
ours needs. Whatever goes wrong on the way, with kombu's reading too, puts the message among the dead letters; only a
lost connection to the broker is Celery's to deal with.
"""

import base64
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from celery.worker.consumer import Consumer

from pipeline.errors import DatabaseFault
from pipeline.stages import dead_letters
from schema.dead_letter import DeadLetter
from workers.app import runtime
from workers.broker.dead_letter_writer import keeper
from workers.broker.rejections import Expired, Malformed, Reason
from workers.broker.task_message import read
from workers.queues import CLOCK

log = logging.getLogger(__name__)


def keep(letters: list[DeadLetter]) -> bool:
    """Write dead letters, in a pool child; tell whether they are written."""
    try:
        dead_letters.keep(runtime(), letters)
    except Exception as error:  # noqa: BLE001 - the consumer tries again, and says so when it gives up
        log.warning(
            "dead letters are not written yet: %s", error if isinstance(error, DatabaseFault) else type(error).__name__
        )
        return False
    return True


class GuardedConsumer(Consumer):
    """A consumer that no message stops."""

    controller: Any
    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return what each message is handed to."""
        receive = super().create_task_handler(*args, **kwargs)
        lost = (*self.connection_errors, *self.channel_errors)
        keeper.start(self._write, self.timer.call_after)

        def on_message(message: Any) -> None:
            try:
                _replace(message)
                receive(message)
            except Malformed as fault:
                self._set_aside(message, fault)
            except Expired as expired:
                if _queue(message) != CLOCK:  # a tick is worthless once the next is due
                    log.warning("a message in %s came too late and is left, id %s", _queue(message), expired)
                message.ack_log_error(log, self.connection_errors)
            except lost:
                raise
            except Exception as error:  # noqa: BLE001 - of a stranger's bytes, or of our own reading: the next is due
                log.error("a message could not be made a task: %s", type(error).__name__)
                self._set_aside(message, Malformed(Reason.UNEXPECTED))

        return on_message

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Set aside a message that names no task."""
        self._set_aside(message, Malformed(Reason.NO_TASK))

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Set aside a message that names a task we do not have."""
        self._set_aside(message, Malformed(Reason.UNKNOWN_TASK))

    def on_invalid_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Set aside a message that is not as Celery's protocol has it."""
        self._set_aside(message, Malformed(Reason.UNEXPECTED))

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Set aside a message that kombu cannot read."""
        self._set_aside(message, Malformed(Reason.BODY))

    def _set_aside(self, message: Any, fault: Malformed) -> None:
        keeper.put(_queue(message), fault, _whole(message))
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)

    def _write(self, letters: Sequence[DeadLetter], done: Callable[[bool], None]) -> None:
        """Have a pool child write letters; a pool of threads takes them at once, for it counts nobody as free."""
        submit = partial(
            self.pool.apply_async,
            keep,
            (list(letters),),
            callback=done,
            error_callback=lambda _: done(False),
        )
        if self.pool.uses_semaphore:
            self.controller._quick_acquire(submit)
        else:
            submit()


def _queue(message: Any) -> str:
    """Return the name of the queue that a message came from."""
    info = message.delivery_info
    queue = info.get("routing_key") if isinstance(info, dict) else None
    return queue if isinstance(queue, str) else "?"


def _replace(message: Any) -> None:
    """Put the task that a message asks for in the place of what its sender wrote."""
    found = read(message.headers, message.body, message.content_type, message.content_encoding, datetime.now(UTC))
    message.headers, message.properties = found.headers, {}
    message._decoded_cache = found.payload


def _whole(message: Any) -> bytes:
    """Return a message as it came, as far as kombu left it so."""
    raw = getattr(message, "_raw", None)
    if raw is None:
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode(errors="replace")
        raw = {"body": base64.b64encode(body).decode(), "headers": message.headers, "properties": message.properties}
    try:
        return json.dumps(raw, default=str).encode()
    except (TypeError, ValueError, RecursionError):
        return b""
