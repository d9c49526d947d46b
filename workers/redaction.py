"""What may be seen of a task: its name and ids, never a number, a text or a code.

Celery shows arguments in headers, events, logs, Flower's pages and API, and `inspect`, and logs whole what it cannot
read. The words are made here instead, on the sending and on the receiving side.
"""

import re
from typing import Any

from celery.app.amqp import AMQP
from celery.app.task import Task
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request

from workers.broker.transport import GuardedConnection

#: an id, or a word of our own
_KNOWN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|otp|transactional|bulk")


def redact(name: str, args: Any, kwargs: Any) -> tuple[str, str]:
    """Return what to show for a task's positional and keyword arguments: ids, and of all else only that it is there."""
    if name == "sms.ingest":
        return "(<an order>)", "{}"
    shown = ", ".join(_shown(each) for each in args) if isinstance(args, list | tuple) else "…"
    return f"({shown})", "{…}" if kwargs else "{}"


def _shown(argument: Any) -> str:
    if isinstance(argument, str) and _KNOWN.fullmatch(argument):
        return argument
    if isinstance(argument, list | tuple):
        return f"[{_shown(argument[0])}]" if len(argument) == 1 else f"<{len(argument)} items>"
    return "…"


class RedactedAMQP(AMQP):
    """The sending side."""

    Connection = GuardedConnection

    def as_task_v2(self, task_id: str, name: str, args: Any = None, kwargs: Any = None, *rest: Any, **more: Any) -> Any:
        """Return the task's message, its arguments shown redacted."""
        message = super().as_task_v2(task_id, name, args, kwargs, *rest, **more)
        shown, shown_kwargs = redact(name, args, kwargs)
        message.headers.update(argsrepr=shown, kwargsrepr=shown_kwargs)
        if message.sent_event:
            message.sent_event.update(args=shown, kwargs=shown_kwargs)
        return message


class RedactedRequest(Request):
    """The receiving side: also for producers of other makes, who send what they like."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except (LookupError, TypeError, ValueError) as error:
            # anything but InvalidTaskError would end the worker, and the message would wait for the next one
            raise InvalidTaskError from error
        if not (
            isinstance(self.request_dict["id"], str)
            and isinstance(self.args, list | tuple)
            and isinstance(self.kwargs, dict)
        ):
            raise InvalidTaskError
        # how it is called and how long it may take is not its sender's to say
        self.name, self.time_limits = self.type, (None, None)  # type: ignore[misc]
        self._argsrepr, self._kwargsrepr = redact(self.type, self.args, self.kwargs)

    def info(self, safe: bool = False) -> Any:
        """Return what `inspect` shows."""
        return super().info(safe=True)


class RedactedTask(Task[Any, Any]):
    """A task whose requests show nothing but ids."""

    Request = RedactedRequest  # type: ignore[assignment]  # the stub knows its name only
