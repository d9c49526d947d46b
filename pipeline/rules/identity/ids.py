"""UUIDv7 ids (RFC 9562), allocated in contiguous ranges so that an order's messages are adjacent."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

#: random bits that `new_ids` needs
ENTROPY_BITS = 73

_VERSION = 7 << 76
_VARIANT = 0b10 << 62


def new_ids(moment: datetime, entropy: int) -> UUID:
    """Return a UUIDv7 of this time; the ids that follow it (`after`) are valid UUIDv7s too.

    The highest of the 62 low random bits is 0, so that counting up never overflows into the variant.
    """
    milliseconds = int(moment.timestamp() * 1000)
    high, low = entropy >> 61 & 0xFFF, entropy & (1 << 61) - 1
    return UUID(int=milliseconds << 80 | _VERSION | high << 64 | _VARIANT | low)


def after(first: UUID, places: int) -> UUID:
    """Return the id `places` after the first."""
    return UUID(int=first.int + places)


def moment(id_: UUID) -> datetime:
    """Return the creation time of a UUIDv7, to the millisecond."""
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC)


def month(id_: UUID) -> date:
    """Return the first day of the month (UTC) of a UUIDv7's time."""
    return moment(id_).date().replace(day=1)


def day_bounds(day: date) -> tuple[UUID, UUID]:
    """Return the lowest id of the (UTC) day and the lowest of the next."""
    return _lowest(day), _lowest(day + timedelta(days=1))


def month_bounds(month: date) -> tuple[UUID, UUID]:
    """Return the lowest id of the (UTC) month that begins on this day, and the lowest of the next."""
    return _lowest(month), _lowest((month + timedelta(days=31)).replace(day=1))


def lowest(moment: datetime) -> UUID:
    """Return the lowest id of a time; of those before 1970, the lowest of all."""
    return UUID(int=max(int(moment.timestamp() * 1000), 0) << 80)


def _lowest(day: date) -> UUID:
    return lowest(datetime(day.year, day.month, day.day, tzinfo=UTC))
