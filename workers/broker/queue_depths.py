"""Lengths of queues in a Redis or Valkey broker, with those of their priority steps."""

from collections.abc import Iterable

import redis
from kombu.transport.redis import Channel

#: the key prefix of everything of ours in the broker
PREFIX = "postroad:"
#: seconds to wait for a reply
_TIMEOUT = 2.0
#: suffixes that kombu adds to a queue's name for each priority step
_STEPS = ("", *(f"{Channel.sep}{step}" for step in (3, 6, 9)))


def list_lengths(broker_url: str, lists: Iterable[str]) -> dict[str, int] | None:
    """Return the number of messages in each of these lists; None where the broker is not Redis, or unreachable."""
    if not broker_url.startswith(("redis://", "rediss://")):
        return None
    names = [(name, name + step) for name in lists for step in _STEPS]
    try:
        with redis.Redis.from_url(broker_url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT) as client:
            pipeline = client.pipeline(transaction=False)
            for _, key in names:
                pipeline.llen(key)
            lengths = pipeline.execute(raise_on_error=False)
    except (redis.RedisError, ValueError):
        return None
    counts: dict[str, int] = {}
    for (name, _), length in zip(names, lengths, strict=True):
        counts[name] = counts.get(name, 0) + (length if isinstance(length, int) else 0)
    return counts


def queue_depths(broker_url: str, queues: Iterable[str]) -> dict[str, int]:
    """Return the number of tasks in each of our queues; nothing where it is not known."""
    lengths = list_lengths(broker_url, [PREFIX + queue for queue in queues]) or {}
    return {name.removeprefix(PREFIX): length for name, length in lengths.items()}
