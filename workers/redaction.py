"""Redacts tasks in logs, events and Flower: they show a task's name and ids, never a number, a text or a code.

Celery shows arguments in headers, events, logs, Flower's pages and API, and `inspect`, and logs messages that it cannot
decode in full. Both the sending and the receiving side set redacted representations here instead.
"""

import re
from typing import Any

from celery.app.amqp import AMQP
from celery.app.task import Task
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request

from schema.message_class import MessageClass
from workers.broker.transport import GuardedConnection

_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def redact(name: str, args: Any, kwargs: Any) -> tuple[str, str]:
    """Return the representations of a task's positional and keyword arguments: ids, and `…` for other values."""
    if name == "sms.ingest":
        return "(<an order>)", "{}"
    shown = ", ".join(_shown(each) for each in args) if isinstance(args, list | tuple) else "…"
    return f"({shown})", "{…}" if kwargs else "{}"


def is_id(argument: Any) -> bool:
    """Tell whether it is an id of ours, in text."""
    return isinstance(argument, str) and bool(_ID.fullmatch(argument))


def _shown(argument: Any) -> str:
    if is_id(argument) or argument in tuple(MessageClass):
        return str(argument)
    if isinstance(argument, list | tuple):
        return f"[{_shown(argument[0])}]" if len(argument) == 1 else f"<{len(argument)} items>"
    return "…"


class RedactedAMQP(AMQP):
    """Redacts on the sending side."""

    Connection = GuardedConnection

    def as_task_v2(self, task_id: str, name: str, args: Any = None, kwargs: Any = None, *rest: Any, **more: Any) -> Any:
        """Return the task's message with redacted representations of its arguments."""
        message = super().as_task_v2(task_id, name, args, kwargs, *rest, **more)
        shown, shown_kwargs = redact(name, args, kwargs)
        message.headers.update(argsrepr=shown, kwargsrepr=shown_kwargs)
        if message.sent_event:
            message.sent_event.update(args=shown, kwargs=shown_kwargs)
        return message


class RedactedRequest(Request):
    """Redacts on the receiving side, also tasks of producers that are not ours."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        try:
            super().__init__(*args, **kwargs)
        except (LookupError, TypeError, ValueError) as error:
            # any other exception would end the worker, and the message would wait for the next one
            raise InvalidTaskError from error
        if not (
            isinstance(self.request_dict["id"], str)
            and isinstance(self.args, list | tuple)
            and isinstance(self.kwargs, dict)
        ):
            raise InvalidTaskError
        # the sender must not set the displayed name and the time limits
        self.name, self.time_limits = self.type, (None, None)  # type: ignore[misc]
        self._argsrepr, self._kwargsrepr = redact(self.type, self.args, self.kwargs)

    def info(self, safe: bool = False) -> Any:
        """Return what `inspect` shows."""
        return super().info(safe=True)


class RedactedTask(Task[Any, Any]):
    """A task whose requests show only ids."""

    Request = RedactedRequest  # type: ignore[assignment]  # the stub declares a string
