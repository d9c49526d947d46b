"""Cursors of lists that are ordered by time: the place of the last row of a page, as text."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

#: microseconds of its time (56 bits: until the year 4253), and id
_CURSOR = re.compile(r"([0-9a-f]{14})([0-9a-f]{32})")
_EPOCH, _MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class ListPlace:
    """The place of a row in a list: its time, and its id among those of the same time."""

    at: datetime
    id: UUID


#: before and after any row
FIRST_PLACE = ListPlace(_EPOCH, UUID(int=0))
LAST_PLACE = ListPlace(datetime(4000, 1, 1, tzinfo=UTC), UUID(int=(1 << 128) - 1))


def read_cursor(text: str) -> ListPlace:
    """Return the place that a cursor names; ValueError: it is none of ours."""
    parts = _CURSOR.fullmatch(text)
    if parts is None:
        raise ValueError("this cursor is none of ours")
    microseconds, id_ = parts.groups()
    return ListPlace(_EPOCH + int(microseconds, 16) * _MICROSECOND, UUID(id_))


def write_cursor(place: ListPlace) -> str:
    """Return the cursor that names a place."""
    return f"{(place.at - _EPOCH) // _MICROSECOND:014x}{place.id.hex}"
