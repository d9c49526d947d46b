"""Ids: UUIDv7 (RFC 9562), given out in rows so that an order's messages lie side by side."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

#: bits of randomness `mint` wants
ENTROPY_BITS = 73

_VERSION = 7 << 76
_VARIANT = 0b10 << 62


def new_ids(moment: datetime, entropy: int) -> UUID:
    """Return a UUIDv7 of the moment; the many ids that follow it (`after`) are valid UUIDv7s too.

    The highest of the 62 low random bits is left 0, so that counting up never spills into the variant.
    """
    milliseconds = int(moment.timestamp() * 1000)
    high, low = entropy >> 61 & 0xFFF, entropy & (1 << 61) - 1
    return UUID(int=milliseconds << 80 | _VERSION | high << 64 | _VARIANT | low)


def after(first: UUID, places: int) -> UUID:
    """Return the id that many places after the first."""
    return UUID(int=first.int + places)


def moment(id_: UUID) -> datetime:
    """Return when a UUIDv7 was minted, to the millisecond."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)


def day_bounds(day: date) -> tuple[UUID, UUID]:
    """Return the lowest id of the (UTC) day and the lowest of the next."""
    return _lowest(day), _lowest(day + timedelta(days=1))


def lowest(moment: datetime) -> UUID:
    """Return the lowest id of a moment; of those before 1970, the lowest of all."""
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)


def _lowest(day: date) -> UUID:
    return lowest(datetime(day.year, day.month, day.day, tzinfo=UTC))
