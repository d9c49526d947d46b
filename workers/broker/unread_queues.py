"""Finds orders in broker lists that no worker reads, from producers without the key prefix or the right queue name.

Such an order shows only as a list of that name: its producer gets no error.
"""

from dataclasses import dataclass

import redis
from kombu.transport.redis import Channel

from workers.queues import INGEST, OTP, QUEUES

PREFIX = "postroad:"
#: Celery's default queue
_DEFAULT = "celery"
#: seconds to wait for a reply
_TIMEOUT = 2.0
#: suffixes that kombu adds to a queue's name for each priority step
_STEPS = ("", *(f"{Channel.sep}{step}" for step in (3, 6, 9)))

#: lists that misconfigured producers write to → what is wrong
_WRONG = {
    **{queue.name: f"without the key prefix `{PREFIX}`" for queue in QUEUES},
    _DEFAULT: f"without the key prefix `{PREFIX}`, and to no queue of ours",
    PREFIX + _DEFAULT: f"to no queue of ours: name `{INGEST}` or `{OTP}`",
}


@dataclass(frozen=True, slots=True)
class UnreadQueue:
    """A list that no worker reads."""

    list: str
    messages: int
    #: what is wrong with its producer's configuration
    wrong: str


def unread(broker_url: str) -> list[UnreadQueue]:
    """Return the non-empty lists that no worker reads; none where the broker is not Redis, or unreachable."""
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
