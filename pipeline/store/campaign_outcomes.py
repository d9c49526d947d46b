"""What became of messages of a campaign, as its gates see it: of the canary, or of the latest rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.campaigns.gates import OutcomeSample
from pipeline.rules.identity import ids


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """A request of a campaign, with the range of its messages' ids."""

    request: UUID
    first: UUID
    last: UUID


_OF_CANARY = """
SELECT id, first_message, recipients FROM requests WHERE id IN (
    SELECT request_id FROM campaign_rows WHERE campaign_id = %(campaign)s AND canary AND request_id IS NOT NULL
)
"""
_LATEST = """
SELECT id, first_message, recipients FROM requests WHERE id IN (
    SELECT request_id FROM campaign_rows
    WHERE campaign_id = %(campaign)s AND line > %(after)s AND line <= %(upto)s AND request_id IS NOT NULL
)
"""


def canary(conn: Connection, campaign: UUID) -> list[RequestSpan]:
    """Return the requests of the canary."""
    return _spans(conn, _OF_CANARY, {"campaign": campaign})


def latest(conn: Connection, campaign: UUID, line: int, count: int) -> list[RequestSpan]:
    """Return the requests of the last `count` rows up to a line."""
    return _spans(conn, _LATEST, {"campaign": campaign, "after": line - count, "upto": line})


def _spans(conn: Connection, statement: str, params: dict[str, Any]) -> list[RequestSpan]:
    return [
        RequestSpan(row.id, row.first_message, ids.after(row.first_message, row.recipients - 1))
        for row in conn.exec_driver_sql(statement, params)
    ]


# counted within each span, so that it is read by the primary key
_SAMPLE = """
SELECT sum(decided)::int8 AS decided, sum(failed)::int8 AS failed, sum(reported)::int8 AS reported,
       sum(undelivered)::int8 AS undelivered, sum(handed)::int8 AS handed, sum(opted_out)::int8 AS opted_out
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (request_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE m.sent_at IS NOT NULL OR m.status IN ('failed', 'rejected')) AS decided,
           count(*) FILTER (WHERE m.sent_at IS NULL AND m.status IN ('failed', 'rejected')) AS failed,
           count(*) FILTER (WHERE m.sent_at IS NOT NULL AND m.status IN ('failed', 'delivered')) AS reported,
           count(*) FILTER (WHERE m.sent_at IS NOT NULL AND m.status = 'failed') AS undelivered,
           count(*) FILTER (WHERE m.sent_at IS NOT NULL) AS handed,
           count(*) FILTER (WHERE m.sent_at IS NOT NULL AND %(opted)s AND EXISTS (
               SELECT FROM opt_outs AS o
               WHERE o.account_id IN (0, m.account_id) AND o.phone = m.phone AND o.opted_out_at >= %(since)s
           )) AS opted_out
    FROM messages AS m WHERE m.id BETWEEN s.first_id AND s.last_id AND m.request_id = s.request_id
) AS counts
"""


def sample(conn: Connection, spans: Sequence[RequestSpan], *, opted_out_since: datetime | None) -> OutcomeSample:
    """Return the counts of the requests' messages; recipients who opted out are counted from then on, None: not."""
    if not spans:
        return OutcomeSample()
    since = {"opted": opted_out_since is not None, "since": opted_out_since}
    row = conn.exec_driver_sql(_SAMPLE, _params(spans) | since).one()
    return OutcomeSample(**row._mapping)


_HANDOVER = """
SELECT sum(waiting)::int8 AS waiting, max(last_at) AS last_at
FROM unnest(%(requests)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS s (request_id, first_id, last_id)
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE status IS NULL) AS waiting, max(coalesce(sent_at, final_at)) AS last_at
    FROM messages WHERE id BETWEEN s.first_id AND s.last_id AND request_id = s.request_id
) AS counts
"""


def handover(conn: Connection, spans: Sequence[RequestSpan]) -> tuple[int, datetime | None]:
    """Return how many of the requests' messages no carrier has yet, and when the last of the others was handed over."""
    if not spans:
        return 0, None
    row = conn.exec_driver_sql(_HANDOVER, _params(spans)).one()
    return row.waiting, row.last_at


def _params(spans: Sequence[RequestSpan]) -> dict[str, Any]:
    return {
        "requests": [span.request for span in spans],
        "firsts": [span.first for span in spans],
        "lasts": [span.last for span in spans],
    }
