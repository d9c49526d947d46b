"""Names of users: spelt in one way, in lower case."""

import re
from zoneinfo import ZoneInfo

from pipeline.errors import InvalidInput, require

_NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


def read(written: str) -> str | None:
    """Return a name as it is stored, or None when no user can have it."""
    name = written.strip()
    return name.lower() if name.isascii() and _NAME.fullmatch(name.lower()) else None


def check(written: str) -> str:
    """Return a new user's name as it is stored; InvalidInput."""
    name = read(written)
    require(name, f"{written!r} cannot be a user's name: use letters, digits, - _ . @ + (at most 64)")
    return str(name)


def check_time_zone(zone: str) -> str:
    """Return the IANA name of a time zone; InvalidInput."""
    try:
        ZoneInfo(zone)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(f"{zone!r} is no time zone: write an IANA name such as Africa/Lagos") from None
    return zone
