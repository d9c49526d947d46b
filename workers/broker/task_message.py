"""Parses a broker message into a task message: task, id and arguments; everything else that its sender set is dropped.

All options of Celery's protocols 1 and 2 for how a task runs (eta, retries, time limits, callbacks, chords, groups,
stamps, reply_to) are dropped: the order and the database alone decide what happens to an order.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from workers.broker.arguments import TAKES, fitting
from workers.broker.bounded_json import parse
from workers.broker.rejections import Expired, Malformed, Reason
from workers.redaction import redact

Fields = dict[str, Any]

_JSON = "application/json"
_ENCODINGS = {"", "utf-8", "utf8", "us-ascii", "ascii", "binary"}
#: longest task id in characters
_LONGEST_ID = 255


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """A task to run."""

    task: str
    #: a UUID; an id of another form is mapped to one, always the same
    id: str
    args: list[Any]

    @property
    def headers(self) -> Fields:
        """Its headers for Celery."""
        shown, shown_kwargs = redact(self.task, self.args, {})
        return {
            "lang": "py",
            "task": self.task,
            "id": self.id,
            "root_id": self.id,
            "argsrepr": shown,
            "kwargsrepr": shown_kwargs,
        }

    @property
    def payload(self) -> Fields:
        """Its body, decoded."""
        return {"args": self.args, "kwargs": {}}


def read(headers: Any, body: Any, content_type: Any, content_encoding: Any, now: datetime) -> TaskMessage:
    """Return the task that a message requests; Malformed when it is invalid, Expired when it has expired."""
    if not isinstance(headers, dict):
        raise Malformed(Reason.HEADERS)
    fields = headers
    try:
        fields, args, kwargs = _protocol_parts(headers, _parsed(body, content_type, content_encoding))
        task = _name(fields)
        found = TaskMessage(task, _id(fields), _arguments(task, args, kwargs))
        _require_due(fields, now, found.id)
    except Malformed as fault:
        raise Malformed(fault.reason, fault.task_id or fields.get("id")) from None
    return found


def request_id(task_id: str) -> UUID:
    """Return a producer's task id as a request id; one that is not a UUID is mapped to one, always the same."""
    try:
        return UUID(task_id)
    except ValueError:
        return uuid5(NAMESPACE_OID, task_id)


def _parsed(body: Any, content_type: Any, content_encoding: Any) -> Any:
    if _lower(content_type) != _JSON or _lower(content_encoding) not in _ENCODINGS:
        raise Malformed(Reason.CONTENT_TYPE)
    if isinstance(body, str):
        body = body.encode(errors="replace")
    if not isinstance(body, bytes | memoryview):
        raise Malformed(Reason.BODY)
    return parse(bytes(body))


def _lower(word: Any) -> str | None:
    return "" if word is None else word.lower() if isinstance(word, str) else None


def _protocol_parts(headers: Fields, body: Any) -> tuple[Fields, Any, Any]:
    """Return the task's fields, positional and keyword arguments, in protocol 2, 1, or a mixture."""
    if isinstance(body, list) and len(body) == 3 and (body[2] is None or isinstance(body[2], dict)):
        return headers, body[0], body[1]
    if not isinstance(body, dict) or not ("args" in body or "kwargs" in body):
        raise Malformed(Reason.BODY, headers.get("id"))
    for word, reason in (("task", Reason.NO_TASK), ("id", Reason.TASK_ID)):
        if word in headers and word in body and headers[word] != body[word]:
            raise Malformed(reason, body.get("id"))
    return {**body, **headers}, body.get("args", []), body.get("kwargs", {})


def _name(fields: Fields) -> str:
    task = fields.get("task")
    if not isinstance(task, str):
        raise Malformed(Reason.NO_TASK)
    if task not in TAKES:
        raise Malformed(Reason.UNKNOWN_TASK)
    return task


def _id(fields: Fields) -> str:
    id_ = fields.get("id")
    if not isinstance(id_, str) or not 0 < len(id_) <= _LONGEST_ID or not id_.isprintable():
        raise Malformed(Reason.TASK_ID)
    return str(request_id(id_))


def _arguments(task: str, args: Any, kwargs: Any) -> list[Any]:
    if isinstance(args, list) and isinstance(kwargs, dict):
        found = fitting(task, args, kwargs)
        if found is not None:
            return found
    raise Malformed(Reason.ARGUMENTS)


def _require_due(fields: Fields, now: datetime, task_id: str) -> None:
    if (eta := fields.get("eta")) is not None and _moment(eta, Reason.ETA) > now:
        raise Malformed(Reason.ETA)
    if (expires := fields.get("expires")) is not None and _moment(expires, Reason.EXPIRES) < now:
        raise Expired(task_id)


def _moment(value: Any, reason: Reason) -> datetime:
    """Parse a date and time of the protocol; without a zone it is in UTC."""
    try:
        found = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise Malformed(reason) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
