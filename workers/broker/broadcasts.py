"""Celery's remote control limited to read-only commands: inspection is allowed, changing a worker is not.

Celery's other commands shut workers down, revoke tasks by their ids, and change pools and queues. Access to the broker
does not include that: processes are stopped by signals, queues are set in the Procfile.
"""

from workers.broker.bounded_json import parse
from workers.broker.envelope import Envelope, body_of
from workers.broker.rejections import Malformed, Reason

#: the exchange of Celery's remote control
CONTROL = "celery.pidbox"

QUESTIONS = frozenset(
    {
        "active",
        "active_queues",
        "clock",
        "conf",
        "enable_events",  # sent by Flower every 5 s; our workers have events enabled
        "ping",
        "query_task",
        "registered",
        "report",
        "reserved",
        "revoked",
        "scheduled",
        "stats",
        "tasks",
    }
)


def require_question(envelope: Envelope) -> None:
    """Raise Malformed unless a remote control message is one of these commands."""
    command = parse(body_of(envelope))
    if not isinstance(command, dict) or not isinstance(command.get("arguments") or {}, dict):
        raise Malformed(Reason.BODY)
    method = command.get("method")
    if not isinstance(method, str) or method not in QUESTIONS:
        raise Malformed(Reason.UNKNOWN_TASK)
