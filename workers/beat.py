"""What happens unasked, and how often. Each tick is safe to run twice, and worthless once the next is due."""

from workers.queues import CLOCK


def _every(seconds: float, task: str) -> dict[str, object]:
    return {"task": task, "schedule": seconds, "options": {"queue": CLOCK, "expires": max(seconds, 1)}}


SCHEDULE = {
    "promote": _every(1, "sms.promote"),
    "settle": _every(1, "sms.settle"),
    "sweep": _every(5, "sms.sweep"),
    "retake": _every(2, "sms.retake"),
    "hear": _every(2, "sms.hear"),
    "learn": _every(60, "sms.learn"),
    "tend": _every(3600, "sms.tend"),
}
