"""Parses paged searches: senders by a query string, scheduled requests by a JSON body.

    {"filter": {"id" | "created_at_start", "created_at_end" | "scheduled_at_start", "scheduled_at_end", "name"?,
     "status"?: [], "request_types"?: []}, "sort": {"sort_by"?, "sort_order"?}, "page": {"page_number"?, "page_size"?}}

docs.webexinteract.com/reference/scheduled-messages-api names the fields; real clients send them in three objects. Both
are accepted: a field that is not in its object is looked up beside it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any
from uuid import UUID

from pydantic_core import from_json

from pipeline.dialects.contract import fields
from pipeline.dialects.webex import datetimes
from pipeline.dialects.webex.errors import WebexFault
from pipeline.dialects.webex.requests import LEAD
from pipeline.dialects.webex.responses import STATUSES
from pipeline.rules.identity import ksuids
from schema.api_views import ShownSchedule

#: items of one page: by default, and at most
SIZE, MOST = 25, 100
LAST_PAGE = 1_000_000
_PARTS = ("filter", "sort", "page")
TYPES = ("CAMPAIGN", "API")
ORDERS = ("ASC", "DESC")

Range = tuple[datetime, datetime]

#: a request's id contains when it was created, but by another clock than its messages' ids
_SPARE = timedelta(days=1)
#: bounds of the time at which a request was created
_FIRST, _LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_REQUEST, _SENDER = "aps_", "ssd_"


@dataclass(frozen=True, slots=True)
class ScheduledQuery:
    """A search for scheduled requests."""

    #: when the requests sought were created, with a day to spare
    made: Range
    #: None: the search is by dates
    id: UUID | None
    created: Range | None
    scheduled: Range | None
    #: the vendor's statuses; empty: any
    statuses: frozenset[str]
    #: whether requests of this API match the types and the name that are sought
    is_ours: bool
    sort_by: str
    descending: bool
    number: int
    size: int

    def pick(self, found: Sequence[ShownSchedule]) -> list[ShownSchedule]:
        """Return the requests that match the search, in its order."""
        if not self.is_ours:
            return []
        picked = [each for each in found if not self.statuses or STATUSES[each.status] in self.statuses]
        return sorted(picked, key=SORTS[self.sort_by], reverse=self.descending)


# requests have no name, and are not updated
SORTS: dict[str, Callable[[ShownSchedule], Any]] = {
    "created_at": attrgetter("created_at"),
    "updated_at": attrgetter("created_at"),
    "scheduled_at": attrgetter("send_at"),
    "name": lambda _found: "",
    "status": lambda found: STATUSES[found.status],
}


def request_id(word: str) -> UUID | None:
    """Return the UUID of a request's id `aps_…`, or None if it is invalid."""
    return ksuids.read(_REQUEST, word)


def sender_id(word: str) -> UUID | None:
    """Return the UUID of a sender's id `ssd_…`, or None if it is invalid."""
    return ksuids.read(_SENDER, word)


def page(query: str) -> tuple[int, int] | list[WebexFault]:
    """Parse `page_number` and `page_size` of a query string; return both, or the errors."""
    try:
        asked = _Asked(fields(query))
    except ValueError:
        return [WebexFault("", "the query cannot be read")]
    found = asked.page()
    return asked.faults or found


def search(body: bytes) -> ScheduledQuery | list[WebexFault]:
    """Parse a search for scheduled requests; return it, or the errors."""
    try:
        content = from_json(body, allow_inf_nan=False)
    except ValueError:
        return [WebexFault("body", "invalid JSON")]
    if not isinstance(content, dict):
        return [WebexFault("body", "must be an object")]
    parts = {name: content[name] for name in _PARTS if content.get(name) is not None}
    if wrong := [WebexFault(name, "must be an object") for name, part in parts.items() if not isinstance(part, dict)]:
        return wrong
    together = (content, *parts.values())
    asked = _Asked({name: value for part in together for name, value in part.items() if value is not None})
    found = asked.search()
    return asked.faults or found


class _Asked:
    """The fields of a query or body, and the errors found in them so far."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given
        self.faults: list[WebexFault] = []

    def page(self) -> tuple[int, int]:
        """Return the page's number and size."""
        return self._whole("page_number", 1, LAST_PAGE), self._whole("page_size", SIZE, MOST)

    def search(self) -> ScheduledQuery:
        """Return the search."""
        word, created, scheduled = self._text("id"), self._range("created_at"), self._range("scheduled_at")
        # an invalid id is searched for, and not found
        id_ = request_id(word) or UUID(int=0) if word else None
        if not (self.faults or id_ or created or scheduled):
            self._wrong("id", "either id or a date range is required")
        types, name = self._words("request_types", TYPES), self._text("name")
        number, size = self.page()
        return ScheduledQuery(
            made=_made(word, created, scheduled),
            id=id_,
            created=created,
            scheduled=scheduled,
            statuses=self._words("status", tuple(STATUSES.values())),
            is_ours=(not types or "API" in types) and not name,
            sort_by=self._word("sort_by", tuple(SORTS), "created_at"),
            descending=self._word("sort_order", ORDERS, "DESC") == "DESC",
            number=number,
            size=size,
        )

    def _text(self, name: str) -> str:
        value = self._given.get(name, "")
        if not isinstance(value, str):
            self._wrong(name, "must be a string")
            return ""
        return value

    def _range(self, name: str) -> Range | None:
        start, end = (self._moment(f"{name}_{side}") for side in ("start", "end"))
        if (start is None) != (end is None) and not self.faults:
            self._wrong(f"{name}_end" if start else f"{name}_start", "both ends of a date range are required")
        return (start, end) if start and end else None

    def _moment(self, name: str) -> datetime | None:
        text = self._given.get(name)
        if text in (None, ""):
            return None
        found = datetimes.read(text) if isinstance(text, str) else None
        if found is None:
            self._wrong(name, datetimes.FORM)
        return found

    def _words(self, name: str, known: Sequence[str]) -> frozenset[str]:
        words = self._given.get(name, [])
        if not isinstance(words, list) or not all(word in known for word in words):
            self._wrong(name, f"must be an array of {', '.join(known)}")
            return frozenset()
        return frozenset(words)

    def _word(self, name: str, known: Sequence[str], default: str) -> str:
        word = self._given.get(name, default)
        if word == "":
            return default
        if word not in known:
            self._wrong(name, f"must be one of {', '.join(known)}")
            return default
        return str(word)

    def _whole(self, name: str, default: int, most: int) -> int:
        text = str(self._given.get(name, default))
        if not (text.isascii() and text.isdigit()) or len(text) > 9 or not 1 <= int(text) <= most:
            self._wrong(name, f"must be a whole number from 1 to {most}")
            return default
        return int(text)

    def _wrong(self, field: str, message: str) -> None:
        self.faults.append(WebexFault(field, message))


def _made(word: str, created: Range | None, scheduled: Range | None) -> Range:
    """Return when the requests sought were created: by their dates, by the id, or within days before the schedule."""
    at = ksuids.moment(word.removeprefix(_REQUEST))
    ranges = [
        created,
        (at, at) if at else None,
        (_earlier(scheduled[0], LEAD), scheduled[1]) if scheduled else None,
    ]
    known = [each for each in ranges if each]
    if not known:
        return datetimes.NEVER, datetimes.NEVER
    return _earlier(max(start for start, _ in known), _SPARE), _later(min(end for _, end in known), _SPARE)


def _earlier(moment: datetime, span: timedelta) -> datetime:
    return max(moment, _FIRST) - span


def _later(moment: datetime, span: timedelta) -> datetime:
    return min(moment, _LAST) + span
