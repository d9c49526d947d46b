"""What a worker may be asked by a broadcast over the broker: how it is, and nothing that changes what it does.

Celery's other commands end workers, revoke tasks by their ids, and change pools and queues. Who may put an order into
the broker may not do that: processes are ended by signals, queues are the Procfile's.
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
        "enable_events",  # asked by Flower every 5 s; our workers have them enabled
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
    """Raise Malformed unless a remote control message asks one of these."""
    asked = parse(body_of(envelope))
    if not isinstance(asked, dict) or not isinstance(asked.get("arguments") or {}, dict):
        raise Malformed(Reason.BODY)
    method = asked.get("method")
    if not isinstance(method, str) or method not in QUESTIONS:
        raise Malformed(Reason.UNKNOWN_TASK)
