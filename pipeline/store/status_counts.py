"""Counters of status changes: appended with each change, folded by minute and day, read from the sums.

A change of status appends one row to `status_changes` for each commit and set of dimensions, in the statement that
makes the change; it locks nothing that others need. Sums never fall. How many messages are in a status now is what
came into it less what left it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.metric_counters import BUCKET, BUCKET_NAME
from schema.count_tables import DIMENSIONS, SUMS
from schema.value_class import value_class
from schema.vocabulary import Counter, Outcome, Status

_COLUMNS = ", ".join(("minute", *DIMENSIONS, *SUMS))


def appending(
    moved: str, *, before: str, status: str, counts: bool = True, took: str | None = None, lag: str | None = None
) -> str:
    """Return the INSERT that counts the rows of a CTE of moved messages; the statement has the parameter `at`.

    The CTE has account_id, batch_id, country, segments, amount and money as they are after the move; `before` and
    `status` are SQL expressions over it. `counts`: whether the messages changed their status, not only their money.
    `took`: since when that took them, an SQL expression over their batch `b`; `lag`: the same, over the CTE.
    """
    messages, segments = ("count(*)", "coalesce(sum(segments), 0)") if counts else ("0", "0")
    columns, values, inner, keys, inner_keys = _COLUMNS, "", "", "2, 3, 4, 5, 6, 7, 8, 9", "1, 2, 3, 4, 5"
    if took:
        columns += ", took_bucket, took"
        values += f", {BUCKET.format(seconds=_seconds(took))}, sum(m.messages * {_seconds(took)})"
        keys += ", 13"
    if lag:
        columns += ", lag_bucket, lag"
        values += ", m.lag_bucket, sum(m.lag)"
        inner = f", {BUCKET.format(seconds=_seconds(lag))} AS lag_bucket, sum({_seconds(lag)}) AS lag"
        keys += ", m.lag_bucket"
        inner_keys += ", lag_bucket"
    return f"""
    INSERT INTO status_changes ({columns})
    SELECT date_trunc('minute', %(at)s::timestamptz), m.account_id, b.campaign_id, m.country, b.carrier, b.class,
           b.test, m.before, m.status, sum(m.messages), sum(m.segments), sum(m.revenue){values}
    FROM (
        SELECT account_id, batch_id, country, {before} AS before, {status} AS status, {messages} AS messages,
               {segments} AS segments, coalesce(sum(amount) FILTER (WHERE money = 'captured'), 0) AS revenue{inner}
        FROM {moved} GROUP BY {inner_keys}
    ) AS m CROSS JOIN LATERAL (SELECT * FROM batches WHERE id = m.batch_id OFFSET 0) AS b
    GROUP BY {keys}
    """


def _seconds(since: str) -> str:
    """Return the SQL expression of the seconds from an instant until `at`; null where it is.

    Clocks of two hosts may differ by a little: a sum of seconds never falls.
    """
    return f"abs(extract(epoch FROM %(at)s::timestamptz - {since}))::float8"


#: the INSERT that counts the messages of the CTE `moved` that were sent by a carrier of the CTE `held`, and are to be
#: resent by that of their batch; the statement has the parameter `at`
RESENT = f"""
INSERT INTO status_changes ({_COLUMNS})
SELECT date_trunc('minute', %(at)s::timestamptz), m.account_id, b.campaign_id, m.country, c.carrier, b.class, b.test,
       c.before, c.status, count(*), sum(c.segments), 0
FROM moved AS m JOIN held ON held.id = m.id JOIN batches AS b ON b.id = m.batch_id
CROSS JOIN LATERAL (
    VALUES (held.carrier, 'sent', 'queued', 0), (b.carrier, 'queued', 'sent', m.segments)
) AS c (carrier, before, status, segments)
WHERE held.carrier <> b.carrier
GROUP BY 2, 3, 4, 5, 6, 7, 8, 9
"""


@value_class
class NewMessages:
    """Messages that were billed, or rejected for want of money or a price."""

    account: int
    campaign: UUID | None
    country: str
    carrier: str
    message_class: str
    test: bool
    status: Status
    messages: int
    segments: int


_APPEND = f"""
INSERT INTO status_changes ({_COLUMNS})
SELECT date_trunc('minute', %(at)s::timestamptz), account_id, campaign_id, country, carrier, class, test, '', status,
       messages, segments, 0
FROM unnest(%(accounts)b::int4[], %(campaigns)b::uuid[], %(countries)b::text[], %(carriers)b::text[],
            %(classes)b::text[], %(tests)b::bool[], %(statuses)b::text[], %(messages)b::int8[], %(segments)b::int8[])
     AS n (account_id, campaign_id, country, carrier, class, test, status, messages, segments)
"""


def append(conn: Connection, new: Sequence[NewMessages], at: datetime) -> None:
    """Count new messages."""
    if not new:
        return
    params = {
        "at": at,
        "accounts": [each.account for each in new],
        "campaigns": [each.campaign for each in new],
        "countries": [each.country for each in new],
        "carriers": [each.carrier for each in new],
        "classes": [each.message_class for each in new],
        "tests": [each.test for each in new],
        "statuses": [str(each.status) for each in new],
        "messages": [each.messages for each in new],
        "segments": [each.segments for each in new],
    }
    conn.exec_driver_sql(_APPEND, params)


_DIMENSIONS = ", ".join(DIMENSIONS)
_ADDED = ", ".join(f"{each} = c.{each} + excluded.{each}" for each in SUMS)
_SUMMED = ", ".join(f"sum({each})" for each in SUMS)
#: rows have no key: nothing refers to one. The order of the keys is the same for all, so that two calls do not deadlock
_FOLD = f"""
WITH taken AS MATERIALIZED (
    DELETE FROM status_changes WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM status_changes LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    )) RETURNING *
), minutes AS (
    INSERT INTO status_counts_by_minute AS c (minute, {_DIMENSIONS}, {", ".join(SUMS)})
    SELECT minute, {_DIMENSIONS}, {_SUMMED} FROM taken GROUP BY minute, {_DIMENSIONS} ORDER BY minute, {_DIMENSIONS}
    ON CONFLICT (minute, {_DIMENSIONS}) DO UPDATE SET {_ADDED}
), days AS (
    INSERT INTO status_counts_by_day AS c (day, {_DIMENSIONS}, {", ".join(SUMS)})
    SELECT date_trunc('day', minute, 'UTC'), {_DIMENSIONS}, {_SUMMED} FROM taken
    GROUP BY 1, {_DIMENSIONS} ORDER BY 1, {_DIMENSIONS}
    ON CONFLICT (day, {_DIMENSIONS}) DO UPDATE SET {_ADDED}
), totals AS (
    INSERT INTO counter_totals AS t (counter, labels, events, total)
    SELECT '{Counter.MESSAGES}' AS counter, ARRAY[country, carrier, class, before, status] AS labels,
           sum(messages), sum(segments)
    FROM taken WHERE NOT test AND messages > 0 GROUP BY 2
    UNION ALL
    SELECT '{Counter.ATTEMPTS}', ARRAY[carrier, '{Outcome.ACCEPTED}', ''], sum(messages), 0
    FROM taken WHERE status = '{Status.SENT}' AND took_bucket IS NOT NULL GROUP BY 2
    UNION ALL
    SELECT CASE status WHEN '{Status.SENT}' THEN '{Counter.QUEUE_WAIT}' ELSE '{Counter.DELIVERY_TIME}' END,
           ARRAY[class, {BUCKET_NAME.format(place="took_bucket")}], sum(messages), sum(took)
    FROM taken WHERE NOT test AND took_bucket IS NOT NULL GROUP BY 1, 2
    UNION ALL
    SELECT '{Counter.RECEIPT_LAG}', ARRAY[carrier, {BUCKET_NAME.format(place="lag_bucket")}], sum(messages), sum(lag)
    FROM taken WHERE NOT test AND lag_bucket IS NOT NULL GROUP BY 2
    ORDER BY counter, labels
    ON CONFLICT (counter, labels) DO UPDATE SET events = t.events + excluded.events, total = t.total + excluded.total
)
SELECT count(*) FROM taken
"""


def fold(conn: Connection, limit: int) -> int:
    """Add up to `limit` changes to the sums by minute and by day, and to the totals of metrics; return how many."""
    return int(conn.exec_driver_sql(_FOLD, {"limit": limit}).scalar_one())


_PRUNE = "DELETE FROM status_counts_by_minute WHERE minute < %(before)s"


def prune(conn: Connection, before: datetime) -> int:
    """Delete sums by minute from before then; return how many."""
    return conn.exec_driver_sql(_PRUNE, {"before": before}).rowcount


@dataclass(frozen=True, slots=True)
class StatusCount:
    """Messages of a campaign that changed from one status to another."""

    country: str
    carrier: str
    #: "": new
    before: str
    status: Status
    messages: int
    segments: int
    revenue: int


_OF_CAMPAIGN = """
SELECT country, carrier, before, status, sum(messages)::int8 AS messages, sum(segments)::int8 AS segments,
       sum(revenue)::int8 AS revenue
FROM (
    SELECT country, carrier, before, status, messages, segments, revenue
    FROM status_counts_by_day WHERE campaign_id = %(campaign)s
    UNION ALL
    SELECT country, carrier, before, status, messages, segments, revenue
    FROM status_changes WHERE campaign_id = %(campaign)s
) AS c GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


def of_campaign(conn: Connection, campaign: UUID) -> list[StatusCount]:
    """Return the status changes of a campaign's messages by country and carrier, exact up to now."""
    rows = conn.exec_driver_sql(_OF_CAMPAIGN, {"campaign": campaign})
    return [
        StatusCount(row.country, row.carrier, row.before, Status(row.status), row.messages, row.segments, row.revenue)
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class MinuteCount:
    """Messages of a campaign that came into a status within a minute."""

    minute: datetime
    status: Status
    messages: int


_BY_MINUTE = """
SELECT minute, status, sum(messages)::int8 AS messages FROM status_counts_by_minute
WHERE campaign_id = %(campaign)s AND minute >= %(since)s AND messages > 0 GROUP BY 1, 2 ORDER BY 1, 2
"""


def by_minute(conn: Connection, campaign: UUID, since: datetime) -> list[MinuteCount]:
    """Return by minute how many of a campaign's messages came into each status; the last seconds may be missing."""
    rows = conn.exec_driver_sql(_BY_MINUTE, {"campaign": campaign, "since": since})
    return [MinuteCount(row.minute, Status(row.status), row.messages) for row in rows]


@dataclass(frozen=True, slots=True)
class TrafficCount:
    """Messages of one carrier and class that came into a status within a minute."""

    minute: datetime
    carrier: str
    message_class: str
    status: Status
    messages: int


_TRAFFIC = """
SELECT minute, carrier, class, status, sum(messages)::int8 AS messages FROM status_counts_by_minute
WHERE minute >= %(since)s AND messages > 0 AND NOT test AND (account_id = %(account)s OR %(account)s::int4 IS NULL)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


def traffic(conn: Connection, since: datetime, account: int | None) -> list[TrafficCount]:
    """Return by minute how many messages of an account (None: of all) came into each status, tests not counted."""
    rows = conn.exec_driver_sql(_TRAFFIC, {"since": since, "account": account})
    return [
        TrafficCount(row.minute, row.carrier, getattr(row, "class"), Status(row.status), row.messages) for row in rows
    ]


@dataclass(frozen=True, slots=True)
class DayCount:
    """An account's messages of a day (UTC), tests not counted."""

    day: datetime
    #: billed, and their segments
    accepted: int
    segments: int
    delivered: int
    failed: int
    rejected: int
    #: minor units of the account's currency that were earned
    revenue: int


_BY_DAY = """
SELECT day, coalesce(sum(messages) FILTER (WHERE before = '' AND status = 'queued'), 0)::int8 AS accepted,
       coalesce(sum(segments) FILTER (WHERE before = '' AND status = 'queued'), 0)::int8 AS segments,
       coalesce(sum(messages) FILTER (WHERE status = 'delivered'), 0)::int8 AS delivered,
       coalesce(sum(messages) FILTER (WHERE status = 'failed'), 0)::int8 AS failed,
       coalesce(sum(messages) FILTER (WHERE status = 'rejected'), 0)::int8 AS rejected,
       coalesce(sum(revenue), 0)::int8 AS revenue
FROM status_counts_by_day WHERE account_id = %(account)s AND day >= %(since)s AND NOT test
GROUP BY day ORDER BY day DESC
"""


def by_day(conn: Connection, account: int, since: datetime) -> list[DayCount]:
    """Return an account's messages and revenue by day, the latest first; the last seconds may be missing."""
    rows = conn.exec_driver_sql(_BY_DAY, {"account": account, "since": since}).mappings()
    return [DayCount(**row) for row in rows]
