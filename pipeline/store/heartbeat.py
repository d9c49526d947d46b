"""Heartbeat of the clock process, a key in Valkey rather than a row written every second."""

from datetime import UTC, datetime

import redis

_KEY = "postroad:ticked-at"


def note(valkey: redis.Redis | None, now: datetime) -> None:
    """Store the time of a clock tick; does nothing without Valkey or while it is unavailable."""
    if valkey is not None:
        try:
            valkey.set(_KEY, repr(now.timestamp()))
        except redis.RedisError:
            return


def last(valkey: redis.Redis | None) -> tuple[bool, datetime | None]:
    """Return whether Valkey answered, and the time of the last tick (None: none since Valkey started)."""
    if valkey is None:
        return False, None
    try:
        said = valkey.get(_KEY)
        return True, datetime.fromtimestamp(float(said), UTC) if isinstance(said, bytes) else None
    except (redis.RedisError, ValueError, OverflowError, OSError):
        return False, None
