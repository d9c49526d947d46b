"""The beat schedule: periodic tasks and their intervals. A tick may run twice, and expires when the next is due."""

from workers.queues import CLOCK


def _every(seconds: float, task: str) -> dict[str, object]:
    return {"task": task, "schedule": seconds, "options": {"queue": CLOCK, "expires": max(seconds, 1)}}


SCHEDULE = {
    "promote": _every(1, "sms.promote"),
    "settle": _every(1, "sms.settle"),
    "sweep": _every(5, "sms.sweep"),
    "resend": _every(2, "sms.resend"),
    "inbound": _every(2, "sms.inbound"),
    "receipt_latency": _every(60, "sms.receipt_latency"),
    "maintenance": _every(3600, "sms.maintenance"),
}
