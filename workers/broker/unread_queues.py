"""Finds orders in lists of the broker that no worker reads, from producers that lack the key prefix or a queue's name.

A list of that name is all that tells of such an order, and to its sender everything looks well.
"""

from dataclasses import dataclass

import redis
from kombu.transport.redis import Channel

from workers.queues import INGEST, OTP, QUEUES

PREFIX = "postroad:"
#: Celery's queue where nobody names one
_DEFAULT = "celery"
#: seconds for an answer
_TIMEOUT = 2.0
#: what kombu adds to a queue's name for each step of priority
_STEPS = ("", *(f"{Channel.sep}{step}" for step in (3, 6, 9)))

#: names of lists that foreign producers write to → what is wrong
_WRONG = {
    **{queue.name: f"without the key prefix `{PREFIX}`" for queue in QUEUES},
    _DEFAULT: f"without the key prefix `{PREFIX}`, and to no queue of ours",
    PREFIX + _DEFAULT: f"to no queue of ours: name `{INGEST}` or `{OTP}`",
}


@dataclass(frozen=True, slots=True)
class UnreadQueue:
    """A list that nobody reads."""

    list: str
    messages: int
    #: how its producer sends
    wrong: str


def unread(broker_url: str) -> list[UnreadQueue]:
    """Return the lists with messages in them that nobody reads; none where the broker is no Redis, or is away."""
    if not broker_url.startswith(("redis://", "rediss://")):
        return []
    names = [(name, name + step) for name in _WRONG for step in _STEPS]
    try:
        with redis.Redis.from_url(broker_url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT) as client:
            pipeline = client.pipeline(transaction=False)
            for _, key in names:
                pipeline.llen(key)
            lengths = pipeline.execute(raise_on_error=False)
    except (redis.RedisError, ValueError):
        return []
    counts: dict[str, int] = {}
    for (name, _), length in zip(names, lengths, strict=True):
        counts[name] = counts.get(name, 0) + (length if isinstance(length, int) else 0)
    return [UnreadQueue(name, count, _WRONG[name]) for name, count in counts.items() if count]
