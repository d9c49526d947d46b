"""Celery's consumer with our own validation of messages: the only place where a broker message becomes a task.

Each message is parsed by our own reader first, and Celery gets a rebuilt message with only the fields that a task of
ours needs. Any error on the way, kombu's decoding included, makes the message a dead letter; only a lost connection to
the broker is left to Celery.
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
from workers.broker.pool_heartbeat import heartbeat
from workers.broker.rejections import Expired, Malformed, Reason
from workers.broker.task_message import read
from workers.queues import CLOCK

log = logging.getLogger(__name__)


def keep(letters: list[DeadLetter]) -> bool:
    """Write dead letters, in a pool child; return whether they are written."""
    try:
        dead_letters.keep(runtime(), letters)
    except Exception as error:  # noqa: BLE001 - the consumer retries, and logs when it gives up
        log.warning(
            "dead letters could not be written yet: %s",
            error if isinstance(error, DatabaseFault) else type(error).__name__,
        )
        return False
    return True


class GuardedConsumer(Consumer):
    """A consumer that no message can stop."""

    controller: Any
    hostname: str
    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Return the callback that each message is passed to."""
        receive = super().create_task_handler(*args, **kwargs)
        lost = (*self.connection_errors, *self.channel_errors)
        keeper.start(self._write, self.timer.call_after)
        heartbeat.start(self.hostname, self.timer, self._run)

        def on_message(message: Any) -> None:
            try:
                _replace(message)
                receive(message)
            except Malformed as fault:
                self._dead_letter(message, fault)
            except Expired as expired:
                if _queue(message) != CLOCK:  # beat sends the next one anyway
                    words = "a message in %(queue)s has expired and is dropped, id %(task_id)s"
                    log.warning(words, {"queue": _queue(message), "task_id": str(expired)})
                message.ack_log_error(log, self.connection_errors)
            except lost:
                raise
            except Exception as error:  # noqa: BLE001 - foreign bytes or our own bug: go on with the next message
                log.error("a message could not be turned into a task: %s", type(error).__name__)
                self._dead_letter(message, Malformed(Reason.UNEXPECTED))

        return on_message

    def on_unknown_message(self, body: Any, message: Any) -> None:
        """Dead-letter a message that names no task."""
        self._dead_letter(message, Malformed(Reason.NO_TASK))

    def on_unknown_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Dead-letter a message that names an unknown task."""
        self._dead_letter(message, Malformed(Reason.UNKNOWN_TASK))

    def on_invalid_task(self, body: Any, message: Any, exc: BaseException) -> None:
        """Dead-letter a message that violates Celery's protocol."""
        self._dead_letter(message, Malformed(Reason.UNEXPECTED))

    def on_decode_error(self, message: Any, exc: BaseException) -> None:
        """Dead-letter a message that kombu cannot decode."""
        self._dead_letter(message, Malformed(Reason.BODY))

    def _dead_letter(self, message: Any, fault: Malformed) -> None:
        keeper.put(_queue(message), fault, _whole(message))
        if not message.acknowledged:
            message.reject_log_error(log, self.connection_errors)

    def _write(self, letters: Sequence[DeadLetter], done: Callable[[bool], None]) -> None:
        """Have a pool child write letters."""
        self._run(partial(keep, list(letters)), done)

    def _run(self, function: Callable[[], Any], done: Callable[[bool], None]) -> None:
        """Run a function in a pool child; a thread pool has no semaphore of free slots, so it is called directly."""
        submit = partial(
            self.pool.apply_async,
            function,
            callback=done,
            error_callback=lambda _: done(False),
        )
        if self.pool.uses_semaphore:
            self.controller._quick_acquire(submit)
        else:
            submit()


def _queue(message: Any) -> str:
    """Return the name of the queue that a message was read from."""
    info = message.delivery_info
    queue = info.get("routing_key") if isinstance(info, dict) else None
    return queue if isinstance(queue, str) else "?"


def _replace(message: Any) -> None:
    """Replace the headers and body that the sender wrote by those of the parsed task."""
    found = read(message.headers, message.body, message.content_type, message.content_encoding, datetime.now(UTC))
    message.headers, message.properties = found.headers, {}
    message._decoded_cache = found.payload


def _whole(message: Any) -> bytes:
    """Return a message as it was received, as far as kombu kept it."""
    raw = getattr(message, "_raw", None)
    if raw is None:
        body = message.body if isinstance(message.body, bytes) else str(message.body).encode(errors="replace")
        raw = {"body": base64.b64encode(body).decode(), "headers": message.headers, "properties": message.properties}
    try:
        return json.dumps(raw, default=str).encode()
    except (TypeError, ValueError, RecursionError):
        return b""
