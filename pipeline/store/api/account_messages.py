"""Queries of all messages of an account, whatever they were sent through: one, or a filtered page, the latest first.

A page examines a limited number of requests and messages, so that its cost does not grow with what the account sent:
with filters that little fits, a page may have few messages, or none, and still be followed by others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.rules.identity import ids
from pipeline.store.api.list_messages import SEEN, shown
from pipeline.store.operator_reports import PUBLIC_STATUS
from schema.api_views import ShownMessage
from schema.vocabulary import Status

#: greater than any message id
_END = UUID(int=(1 << 128) - 1)
#: requests that one page examines, and messages where a filter reads all of them
EXAMINED_REQUESTS, EXAMINED_MESSAGES = 500, 5_000
#: requests, or messages of the index, that are read at once; further ones only where too few of these fit
_PORTIONS = (20, 80, 400, 10_000)


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """Which messages of an account are listed; None: any."""

    account: int
    #: test messages, or live ones
    test: bool
    status: Status | None = None
    sender: str | None = None
    request: UUID | None = None
    campaign: UUID | None = None
    #: E.164
    phone: str | None = None
    correlation_id: str | None = None
    #: accepted at this time or later, and before that one
    since: datetime | None = None
    until: datetime | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Return the filter as query parameters."""
        return {
            "account": self.account,
            "test": self.test,
            "status": self.status and str(self.status),
            "sender": self.sender,
            "request": self.request,
            "campaign": self.campaign,
            "phone": self.phone,
            "correlation_id": self.correlation_id,
            "lowest": self.lowest,
        }

    @property
    def lowest(self) -> UUID:
        """Return the lowest id that a message may have."""
        return ids.lowest(self.since) if self.since else UUID(int=0)

    def edge(self, before: UUID | None) -> UUID:
        """Return the id that messages must be below: that of a cursor, or that of `until`."""
        return min(before or _END, ids.lowest(self.until) if self.until else _END)

    @property
    def is_indexed(self) -> bool:
        """Return whether the index of messages by number and correlation id has what is sought."""
        return self.phone is not None or self.correlation_id is not None

    @property
    def reads_all(self) -> bool:
        """Return whether each message must be read to know whether it fits."""
        return self.status is not None or self.sender is not None


_Examined = TypeVar("_Examined")
#: a request, its first message and its last
_Span = tuple[UUID, UUID, UUID]

_ONE = f"""{SEEN}
FROM messages AS m JOIN requests AS r ON r.id = m.request_id JOIN batches AS b ON b.id = m.batch_id
WHERE m.id = %(id)s AND m.account_id = %(account)s AND r.test = ANY(%(tests)b)
"""


def one(conn: Connection, account: int, id_: UUID, tests: Sequence[bool]) -> ShownMessage | None:
    """Return one message of an account with its attempts; `tests`: whether live ones, tests, or both. None: none."""
    params = {"id": id_, "account": account, "tests": list(tests)}
    return next(shown(conn, conn.exec_driver_sql(_ONE, params).all()), None)


# limited before it is filtered: an account of many live messages and few tests must not be read whole. Two indexes
# have the requests of an account: those that came through an API, and the others
_LATEST = """
SELECT id, first_message, recipients, accepted, test = %(test)s AND accepted > 0 AS fits FROM (
    (SELECT id, first_message, recipients, accepted, test FROM requests
     WHERE account_id = %(account)s AND dialect IS NOT NULL
       AND first_message >= %(lowest)s AND first_message < %(before)s
     ORDER BY first_message DESC LIMIT %(most)s)
    UNION ALL
    (SELECT id, first_message, recipients, accepted, test FROM requests
     WHERE account_id = %(account)s AND dialect IS NULL AND accepted > 0
       AND first_message >= %(lowest)s AND first_message < %(before)s
     ORDER BY first_message DESC LIMIT %(most)s)
) AS r
ORDER BY first_message DESC LIMIT %(most)s
"""
_REQUEST = """
SELECT id, first_message, recipients, accepted, test = %(test)s AND accepted > 0 AS fits FROM requests
WHERE id = %(request)s AND account_id = %(account)s AND first_message >= %(lowest)s AND first_message < %(before)s
"""
# each portion of a campaign is a request, in one batch or several; these have messages of no other request
_OF_CAMPAIGN = """
SELECT DISTINCT r.first_message, r.id, r.recipients, r.accepted, r.test = %(test)s AS fits, b.batches
FROM (
    SELECT first_id, count(*) OVER () AS batches FROM (
        SELECT first_id FROM batches
        WHERE campaign_id = %(campaign)s AND first_id >= %(lowest)s AND first_id < %(before)s
        ORDER BY first_id DESC LIMIT %(most)s
    ) AS latest
) AS b
CROSS JOIN LATERAL (SELECT request_id FROM messages WHERE id = b.first_id OFFSET 0) AS m
CROSS JOIN LATERAL (SELECT * FROM requests WHERE id = m.request_id OFFSET 0) AS r
ORDER BY r.first_message DESC
"""
# OFFSET 0 forces a look-up of each batch: a planner that expects many messages would read all batches
_PAGE = f"""{SEEN}
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (request_id, first_id, last_id)
CROSS JOIN LATERAL (SELECT * FROM requests WHERE id = s.request_id OFFSET 0) AS r
CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id
      AND (%(sender)s::text IS NULL OR sender = %(sender)s)
      AND (%(status)s::text IS NULL OR status IS NULL OR status = %(status)s)
    ORDER BY id DESC LIMIT %(within)s
) AS m
CROSS JOIN LATERAL (SELECT * FROM batches WHERE id = m.batch_id OFFSET 0) AS b
WHERE (%(status)s::text IS NULL OR {PUBLIC_STATUS} = %(status)s)
  AND (%(campaign)s::uuid IS NULL OR b.campaign_id = %(campaign)s)
ORDER BY m.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class FilteredPage:
    """A page of messages, the latest first."""

    messages: list[ShownMessage]
    #: further messages are before this id; None: there are none
    before: UUID | None


def page(conn: Connection, sought: MessageFilter, before: UUID | None, limit: int) -> FilteredPage:
    """Return up to `limit` messages before that id (None: the latest); there may be fewer, or none, before others."""
    edge = sought.edge(before)
    params = {**sought.params, "before": edge, "most": EXAMINED_REQUESTS}
    query = _REQUEST if sought.request else _OF_CAMPAIGN if sought.campaign else _LATEST
    rows = conn.exec_driver_sql(query, params).all()
    examined = rows[0].batches if rows and query is _OF_CAMPAIGN else len(rows)
    rest = rows[-1].first_message if examined >= EXAMINED_REQUESTS else None
    spans, rest = _spans(rows, edge, EXAMINED_MESSAGES if sought.reads_all else limit, rest)
    if not spans:
        return FilteredPage([], rest)
    within = None if sought.reads_all else limit + 1
    found: list[Row[Any]] = []
    for portion in _portioned(spans):
        requests, firsts, lasts = map(list, zip(*portion, strict=True))
        wanted = {"requests": requests, "firsts": firsts, "lasts": lasts, "within": within}
        found += conn.exec_driver_sql(_PAGE, params | wanted | {"limit": limit + 1 - len(found)}).all()
        if len(found) > limit:
            break
    messages = list(shown(conn, found))
    if len(found) > limit:
        return FilteredPage(messages[:limit], messages[limit - 1].id)
    return FilteredPage(messages, rest)


def _portioned(wanted: Sequence[_Examined]) -> Iterator[Sequence[_Examined]]:
    """Yield in portions what is to be examined, small ones first."""
    begun = 0
    for size in _PORTIONS:
        if portion := wanted[begun : begun + size]:
            yield portion
        begun += size


def _spans(rows: Sequence[Row[Any]], edge: UUID, enough: int, rest: UUID | None) -> tuple[list[_Span], UUID | None]:
    """Return (request, first id, last id) of the requests that have `enough` messages, and where to go on; None: end.

    The first request may be cut by `edge`; `rest`: where to go on after all of them.
    """
    spans: list[_Span] = []
    sure = 0
    for place, row in enumerate(rows):
        if sure > enough:
            return spans, rows[place - 1].first_message
        if row.fits:
            last = ids.after(row.first_message, row.recipients - 1)
            sure += row.accepted if last < edge else 0
            spans.append((row.id, row.first_message, min(last, ids.after(edge, -1))))
    return spans, rest


_AMONG = f"""{SEEN}
FROM unnest(%(ids)b::uuid[]) AS s (id)
CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE id = s.id AND account_id = %(account)s
      AND (%(phone)s::text IS NULL OR phone = %(phone)s)
      AND (%(correlation_id)s::text IS NULL OR correlation_id = %(correlation_id)s)
      AND (%(sender)s::text IS NULL OR sender = %(sender)s)
      AND (%(request)s::uuid IS NULL OR request_id = %(request)s)
    OFFSET 0
) AS m
CROSS JOIN LATERAL (SELECT * FROM requests WHERE id = m.request_id AND test = %(test)s OFFSET 0) AS r
CROSS JOIN LATERAL (SELECT * FROM batches WHERE id = m.batch_id OFFSET 0) AS b
WHERE (%(status)s::text IS NULL OR {PUBLIC_STATUS} = %(status)s)
  AND (%(campaign)s::uuid IS NULL OR b.campaign_id = %(campaign)s)
ORDER BY m.id DESC LIMIT %(limit)s
"""


def among(conn: Connection, sought: MessageFilter, wanted: Sequence[UUID], limit: int) -> list[ShownMessage]:
    """Return those of these messages that fit, the latest first, up to `limit`."""
    found: list[Row[Any]] = []
    for portion in _portioned(wanted):
        params = {**sought.params, "ids": list(portion), "limit": limit - len(found)}
        found += conn.exec_driver_sql(_AMONG, params).all()
        if len(found) == limit:
            break
    return list(shown(conn, found))


_OF = """
SELECT id, class AS message_class, test, recipients, accepted, refusals, first_message, send_at, valid_until,
       created_at, accepted = 0 AND refusals = '[]' AS repeats, template_id, template_version
FROM requests WHERE id = %(id)s AND account_id = %(account)s AND test = ANY(%(tests)b)
"""


def request(conn: Connection, account: int, id_: UUID, tests: Sequence[bool]) -> Row[Any] | None:
    """Return the row of an account's request; `repeats`: it only repeats an earlier one under its key. None: none."""
    return conn.exec_driver_sql(_OF, {"id": id_, "account": account, "tests": list(tests)}).first()
