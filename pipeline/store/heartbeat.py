"""When the clock ticked last, a key in Valkey: a row would be written every second."""

from datetime import UTC, datetime

import redis

_KEY = "postroad:ticked-at"


def note(valkey: redis.Redis | None, now: datetime) -> None:
    """Write that the clock ticked; nothing where there is no Valkey, or it is away."""
    if valkey is not None:
        try:
            valkey.set(_KEY, repr(now.timestamp()))
        except redis.RedisError:
            return


def last(valkey: redis.Redis | None) -> tuple[bool, datetime | None]:
    """Return whether Valkey can tell, and when the clock ticked last (None: not since Valkey began)."""
    if valkey is None:
        return False, None
    try:
        said = valkey.get(_KEY)
        return True, datetime.fromtimestamp(float(said), UTC) if isinstance(said, bytes) else None
    except (redis.RedisError, ValueError, OverflowError, OSError):
        return False, None
