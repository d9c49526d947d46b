"""Puts a message that became a dead letter into its queue again."""

import redis

from pipeline.errors import Conflict
from workers.broker.queue_depths import PREFIX
from workers.queues import QUEUES

#: seconds to wait for the broker
_TIMEOUT = 5.0


def put_again(broker_url: str, queue: str, message: bytes) -> None:
    """Append a message, as it was received, to a queue; Conflict: it is none of ours, or the broker takes nothing."""
    if queue not in {each.name for each in QUEUES}:
        raise Conflict(f"{queue!r} is no queue that workers read")
    if not broker_url.startswith(("redis://", "rediss://")):
        raise Conflict("this broker takes messages from producers only: have the order sent again")
    try:
        with redis.Redis.from_url(broker_url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT) as client:
            client.lpush(PREFIX + queue, message)
    except redis.RedisError as error:
        raise Conflict(f"the broker did not take it: {type(error).__name__}") from None
