"""The beat schedule: periodic tasks and their intervals. A tick may run twice, and expires when the next is due."""

from typing import Any, TypedDict

from workers.queues import CLOCK, MAINTENANCE


class PeriodicTask(TypedDict):
    """An entry of Celery's `beat_schedule`."""

    task: str
    #: seconds between two ticks
    schedule: float
    options: dict[str, Any]


def _every(seconds: float, task: str, queue: str = CLOCK) -> PeriodicTask:
    return {"task": task, "schedule": seconds, "options": {"queue": queue, "expires": max(seconds, 1)}}


SCHEDULE: dict[str, PeriodicTask] = {
    "promote": _every(1, "sms.promote"),
    "campaigns": _every(1, "sms.campaigns"),
    "settle": _every(1, "sms.settle"),
    "fold": _every(5, "sms.fold"),
    "sweep": _every(5, "sms.sweep"),
    "index": _every(2, "sms.index"),
    "resend": _every(2, "sms.resend"),
    "message_jobs": _every(2, "sms.message_jobs"),
    "inbound": _every(2, "sms.inbound"),
    "receipt_latency": _every(60, "sms.receipt_latency"),
    "maintenance": _every(3600, "sms.maintenance", MAINTENANCE),
}
