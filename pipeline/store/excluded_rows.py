"""Audiences that a campaign leaves out: rows by a list of numbers, or by the recipients of another campaign."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids

#: each reads the rows of the campaigns that it names, whatever else there is
_EXCLUDE = """
WITH hit AS (
    SELECT line, verdict FROM campaign_rows AS r
    WHERE campaign_id = %(campaign)s AND coalesce(verdict, '') NOT IN ('malformed', 'excluded') AND {condition}
), excluded AS (
    UPDATE campaign_rows AS r SET verdict = 'excluded', fault = %(fault)s
    FROM hit WHERE r.campaign_id = %(campaign)s AND r.line = hit.line
    RETURNING hit.verdict
)
SELECT count(*) AS rows, count(*) FILTER (WHERE verdict IS NULL) AS sendable FROM excluded
"""
_IN_LIST = _EXCLUDE.format(condition="phone = ANY(%(phones)b::text[])")
_IN_CAMPAIGN = _EXCLUDE.format(
    condition="""phone IN (
        SELECT phone FROM campaign_rows WHERE campaign_id = %(other)s AND request_id IS NOT NULL
    )"""
)
_BUT_NOT_REACHED = _EXCLUDE.format(
    condition="""NOT EXISTS (
        SELECT FROM (
            SELECT o.phone FROM campaign_rows AS o
            WHERE o.campaign_id = %(other)s AND coalesce(o.verdict, '') NOT IN ('malformed', 'excluded')
            EXCEPT
            SELECT m.phone
            FROM unnest(%(ids)b::uuid[], %(firsts)b::uuid[], %(lasts)b::uuid[]) AS q (id, first, last)
            CROSS JOIN LATERAL (
                SELECT phone FROM messages
                WHERE id BETWEEN q.first AND q.last AND request_id = q.id AND status = 'delivered' OFFSET 0
            ) AS m
        ) AS w WHERE w.phone = r.phone
    )"""
)
_REQUESTS = """
SELECT id, first_message, recipients FROM requests
WHERE id IN (SELECT request_id FROM campaign_rows WHERE campaign_id = %(other)s)
"""


@dataclass(frozen=True, slots=True)
class ExcludedRows:
    """How many rows were left out."""

    rows: int
    #: of these, rows that were to be sent
    sendable: int


def by_numbers(conn: Connection, campaign: UUID, phones: Sequence[str], fault: str) -> ExcludedRows:
    """Leave out the rows with these numbers (E.164)."""
    return _excluded(conn, _IN_LIST, {"campaign": campaign, "phones": list(phones), "fault": fault})


def recipients_of(conn: Connection, campaign: UUID, other: UUID, fault: str) -> ExcludedRows:
    """Leave out the rows whose number got a message of another campaign."""
    return _excluded(conn, _IN_CAMPAIGN, {"campaign": campaign, "other": other, "fault": fault})


def all_but_not_reached(conn: Connection, campaign: UUID, other: UUID, fault: str) -> ExcludedRows:
    """Leave out all rows but those whose number is in another campaign and has no delivered message of it.

    A message without a delivery receipt counts as not delivered.
    """
    requests = conn.exec_driver_sql(_REQUESTS, {"other": other}).all()
    params = {
        "campaign": campaign,
        "other": other,
        "fault": fault,
        "ids": [row.id for row in requests],
        "firsts": [row.first_message for row in requests],
        "lasts": [ids.after(row.first_message, row.recipients - 1) for row in requests],
    }
    return _excluded(conn, _BUT_NOT_REACHED, params)


#: of campaigns that may have made messages since then; a row's request has a time in its id
_SINCE = """
WITH others AS MATERIALIZED (
    SELECT id FROM campaigns
    WHERE account_id = %(account)s AND id <> %(campaign)s AND NOT test AND started_at IS NOT NULL
      AND (ended_at IS NULL OR ended_at >= %(since)s)
)
UPDATE campaign_rows AS r SET verdict = 'recently_messaged', fault = %(fault)s
WHERE campaign_id = %(campaign)s AND verdict IS NULL AND phone IN (
    SELECT o.phone FROM others CROSS JOIN LATERAL (
        SELECT phone FROM campaign_rows
        WHERE campaign_id = others.id AND request_id >= %(lowest)s OFFSET 0
    ) AS o
)
"""


def recipients_since(conn: Connection, campaign: UUID, account: int, since: datetime, fault: str) -> None:
    """Leave out the rows without a verdict whose number another campaign of the account made a message to since then.

    Tests do not count.
    """
    params = {"campaign": campaign, "account": account, "since": since, "lowest": ids.lowest(since), "fault": fault}
    conn.exec_driver_sql(_SINCE, params)


_PHONES = """
SELECT line, phone FROM campaign_rows
WHERE campaign_id = %(campaign)s AND line > %(after)s AND verdict IS NULL ORDER BY line LIMIT %(most)s
"""
_RECENT = """
UPDATE campaign_rows SET verdict = 'recently_messaged', fault = %(fault)s
WHERE campaign_id = %(campaign)s AND line = ANY(%(lines)b::int4[]) AND verdict IS NULL
"""


def phones_after(conn: Connection, campaign: UUID, line: int, most: int) -> list[tuple[int, str]]:
    """Return (line, number) of the next rows after a line that have no verdict, in order."""
    params = {"campaign": campaign, "after": line, "most": most}
    return [(row.line, row.phone) for row in conn.exec_driver_sql(_PHONES, params)]


def recently_messaged(conn: Connection, campaign: UUID, lines: Sequence[int], fault: str) -> None:
    """Leave out rows without a verdict, whose numbers got a message shortly before."""
    if lines:
        conn.exec_driver_sql(_RECENT, {"campaign": campaign, "lines": list(lines), "fault": fault})


def _excluded(conn: Connection, statement: str, params: dict[str, Any]) -> ExcludedRows:
    row = conn.exec_driver_sql(statement, params).one()
    return ExcludedRows(row.rows, row.sendable)
