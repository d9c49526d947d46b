"""Queries of an account's messages with status and attempts: one message, or a page, the latest first."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from pipeline.rules.identity import ids
from pipeline.store.operator_reports import PUBLIC_STATUS
from schema.api_views import ShownAttempt, ShownMessage
from schema.message_class import MessageClass
from schema.vocabulary import Code, Encoding, Outcome, Status

#: greater than any message id
_END = UUID(int=(1 << 128) - 1)


@dataclass(frozen=True, slots=True)
class View:
    """The messages that a caller may see."""

    account: int
    #: the API they were sent through, and its operations that sent them
    dialect: str
    operations: tuple[str, ...]
    #: test messages, or live ones
    test: bool

    @property
    def params(self) -> dict[str, Any]:
        """Return the view as query parameters."""
        given = {"account": self.account, "dialect": self.dialect, "operations": list(self.operations)}
        return given | {"test": self.test}


#: the columns of a message as it is shown, of `messages` m, `batches` b and `requests` r
SEEN = f"""
SELECT m.id, m.request_id, r.class AS message_class, {PUBLIC_STATUS} AS status, m.phone, m.country, m.sender, m.body,
       m.encoding, m.segments, coalesce(m.amount, 0) AS amount, coalesce(m.quota, 0) AS quota, m.correlation_id,
       m.error_code, b.carrier, r.test, r.send_at, m.sent_at, m.final_at
"""
_ONE = f"""{SEEN}
FROM messages AS m JOIN requests AS r ON r.id = m.request_id JOIN batches AS b ON b.id = m.batch_id
WHERE m.id = %(id)s AND m.account_id = %(account)s AND r.dialect = %(dialect)s AND r.operation = ANY(%(operations)s)
  AND r.test = %(test)s
"""


def one(conn: Connection, view: View, id_: UUID) -> ShownMessage | None:
    """Return one message with its attempts; None when it is not in the view."""
    params = {"id": id_, **view.params}
    return next(shown(conn, conn.exec_driver_sql(_ONE, params).all()), None)


# by the batch it was accepted in: later batches are resends and failovers
_QUEUED = """
SELECT b.queued_at FROM messages AS m
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT batch_id FROM provider_attempts WHERE message_id = m.id AND n = 1), m.batch_id) AS id
    OFFSET 0
) AS f
CROSS JOIN LATERAL (SELECT queued_at FROM batches WHERE id = f.id OFFSET 0) AS b
WHERE m.id = %(id)s
"""


def queued_at(conn: Connection, id_: UUID) -> datetime | None:
    """Return when a message was queued; None when it is not queued yet."""
    at: datetime | None = conn.exec_driver_sql(_QUEUED, {"id": id_}).scalar_one_or_none()
    return at


_REQUESTS = """
SELECT id, first_message, recipients, accepted FROM requests
WHERE account_id = %(account)s AND first_message < %(before)s
  AND dialect = %(dialect)s AND operation = ANY(%(operations)s) AND test = %(test)s AND accepted > 0
ORDER BY first_message DESC LIMIT %(limit)s
"""
_PAGE = f"""{SEEN}
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (request_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT * FROM messages WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id
    ORDER BY id DESC LIMIT %(limit)s
) AS m
JOIN requests AS r ON r.id = m.request_id JOIN batches AS b ON b.id = m.batch_id
ORDER BY m.id DESC LIMIT %(limit)s
"""


def page(conn: Connection, view: View, before: UUID | None, limit: int) -> list[ShownMessage]:
    """Return up to `limit` messages (one more if there are more) before that id (None: the latest), latest first."""
    edge = before or _END
    params = {**view.params, "before": edge, "limit": limit + 1}
    spans = list(_spans(conn.exec_driver_sql(_REQUESTS, params), edge, limit))
    if not spans:
        return []
    requests, firsts, lasts = map(list, zip(*spans, strict=True))
    params = {"requests": requests, "firsts": firsts, "lasts": lasts, "limit": limit}
    return list(shown(conn, conn.exec_driver_sql(_PAGE, params).all()))


def _spans(rows: Iterable[Sequence[Any]], edge: UUID, limit: int) -> Iterator[tuple[UUID, UUID, UUID]]:
    """Yield (request, first id, last id) of the requests that fill a page; the first request may be cut by `edge`."""
    sure = 0
    for request, first, recipients, accepted in rows:
        if sure >= limit:
            break
        last = ids.after(first, recipients - 1)
        if last < edge:
            sure += accepted
        yield request, first, min(last, ids.after(edge, -1))


_TRIES = """
SELECT message_id, carrier, outcome, carrier_ref, code, detail, marked_at FROM provider_attempts
WHERE message_id = ANY(%(ids)b) AND message_id BETWEEN %(first)s AND %(last)s ORDER BY message_id, n
"""


def shown(conn: Connection, rows: Sequence[Row[Any]]) -> Iterator[ShownMessage]:
    """Yield the messages of rows of `SEEN`, in order, with their attempts."""
    tries: defaultdict[UUID, list[ShownAttempt]] = defaultdict(list)
    if rows:
        own = [row.id for row in rows]
        params = {"ids": own, "first": min(own), "last": max(own)}
        for id_, carrier, outcome, *rest in conn.exec_driver_sql(_TRIES, params):
            tries[id_].append(ShownAttempt(carrier, Outcome(outcome), *rest))
    for row in rows:
        yield ShownMessage(
            id=row.id,
            request=row.request_id,
            message_class=MessageClass(row.message_class),
            status=Status(row.status),
            phone=row.phone,
            country=row.country,
            sender=row.sender,
            body=row.body,
            encoding=row.encoding and Encoding(row.encoding),
            segments=row.segments,
            amount=row.amount,
            quota=row.quota,
            correlation_id=row.correlation_id,
            error_code=row.error_code and Code(row.error_code),
            carrier=row.carrier,
            test=row.test,
            send_at=row.send_at,
            sent_at=row.sent_at,
            final_at=row.final_at,
            tries=tuple(tries[row.id]),
        )
