"""What may be seen of a task: its name and ids, never a number, a text or a code.

Celery shows arguments in headers, events, logs, Flower's pages and API, and `inspect`. Only `sms.ingest` carries an
order; it is made unreadable where the words are made, on the sending and on the receiving side.
"""

from typing import Any

from celery.app.amqp import AMQP
from celery.app.task import Task
from celery.worker.request import Request

#: characters of an argument worth showing: a UUID and its brackets
_LONGEST = 120


def redact(name: str, args: Any, kwargs: Any) -> tuple[str, str]:
    """Return what to show for a task's positional and keyword arguments."""
    if name == "sms.ingest":
        return "(<an order>)", "{}"
    if name == "sms.bill":
        return f"({args[0]!r}, <{len(args[1])} measures>)" if len(args or ()) == 2 else "(…)", "{}"
    if not name.startswith("sms."):
        return "(…)", "{…}"
    shown = repr(tuple(args or ()))
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST] + "…", "{}"


class RedactedAMQP(AMQP):
    """The sending side."""

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
        super().__init__(*args, **kwargs)
        self._argsrepr, self._kwargsrepr = redact(self.name, self.args, self.kwargs)

    def info(self, safe: bool = False) -> Any:
        """Return what `inspect` shows."""
        return super().info(safe=True)


class RedactedTask(Task[Any, Any]):
    """A task whose requests show nothing but ids."""

    Request = RedactedRequest  # type: ignore[assignment]  # the stub knows its name only
