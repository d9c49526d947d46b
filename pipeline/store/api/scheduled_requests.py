"""Queries of scheduled requests (send_at), and the status of each as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids
from pipeline.store.api.list_messages import View
from schema.api_views import ShownSchedule
from schema.vocabulary import Status


@dataclass(frozen=True, slots=True)
class ScheduledSearch:
    """The criteria of a search; None: any."""

    #: when they were made: between these times, as request ids have them
    made: tuple[datetime, datetime]
    id: UUID | None = None
    #: between these times, inclusive
    created: tuple[datetime, datetime] | None = None
    scheduled: tuple[datetime, datetime] | None = None


_VIEW = "account_id = %(account)s AND dialect = %(dialect)s AND operation = ANY(%(operations)s) AND test = %(test)s"
_REQUESTS = f"""
SELECT id, first_message, recipients, send_at, created_at FROM requests
WHERE {_VIEW} AND first_message BETWEEN %(earliest)s AND %(latest)s AND send_at IS NOT NULL AND accepted > 0
  AND (%(id)s::uuid IS NULL OR id = %(id)s)
  AND (%(created_from)s::timestamptz IS NULL OR created_at BETWEEN %(created_from)s AND %(created_to)s)
  AND (%(due_from)s::timestamptz IS NULL OR send_at BETWEEN %(due_from)s AND %(due_to)s)
ORDER BY first_message DESC LIMIT %(limit)s
"""
# the status of the whole request is the first of these that is true
_STANDING = """
SELECT CASE
         WHEN EXISTS (SELECT FROM messages WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id
                      AND status IS NULL) THEN CASE WHEN s.send_at > now() THEN 'scheduled' ELSE 'queued' END
         WHEN EXISTS (SELECT FROM messages WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id
                      AND status IN ('sent', 'delivered')) THEN 'sent'
         WHEN EXISTS (SELECT FROM messages WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id
                      AND status = 'cancelled') THEN 'cancelled'
         ELSE 'failed'
       END, m.sender, m.body
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[], %(send_ats)b::timestamptz[])
     WITH ORDINALITY AS s (request_id, first_id, last_id, send_at, place)
CROSS JOIN LATERAL (SELECT sender, body FROM messages WHERE id BETWEEN s.first_id AND s.last_id
                    AND request_id = s.request_id ORDER BY id LIMIT 1) AS m
ORDER BY s.place
"""


def find(conn: Connection, view: View, sought: ScheduledSearch, limit: int) -> list[ShownSchedule]:
    """Return up to `limit` of a view's scheduled requests, the latest first."""
    rows = conn.exec_driver_sql(_REQUESTS, _params(view, sought, limit)).all()
    if not rows:
        return []
    spans = {
        "requests": [row.id for row in rows],
        "firsts": [row.first_message for row in rows],
        "lasts": [ids.after(row.first_message, row.recipients - 1) for row in rows],
        "send_ats": [row.send_at for row in rows],
    }
    standing = conn.exec_driver_sql(_STANDING, spans).all()
    return [
        ShownSchedule(row.id, Status(status), sender, body, row.send_at, row.created_at)
        for row, (status, sender, body) in zip(rows, standing, strict=True)
    ]


def _params(view: View, sought: ScheduledSearch, limit: int) -> dict[str, Any]:
    earliest, latest = sought.made
    created_from, created_to = sought.created or (None, None)
    due_from, due_to = sought.scheduled or (None, None)
    return {
        **view.params,
        "earliest": ids.lowest(earliest),
        "latest": ids.lowest(latest),
        "id": sought.id,
        "created_from": created_from,
        "created_to": created_to,
        "due_from": due_from,
        "due_to": due_to,
        "limit": limit,
    }


_SPAN = f"SELECT first_message, recipients FROM requests WHERE id = %(id)s AND {_VIEW}"


def places(conn: Connection, view: View, request: UUID) -> Sequence[UUID] | None:
    """Return the ids of a request's messages, including refused ones; None when the request is not in the view."""
    params = {**view.params, "id": request}
    row = conn.exec_driver_sql(_SPAN, params).first()
    return None if row is None else [ids.after(row.first_message, place) for place in range(row.recipients)]
