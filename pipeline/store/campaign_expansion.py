"""Rows of the campaign_rows table on their way to messages: read in order of line, marked as sent or skipped."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from schema.campaign import CampaignRow
from schema.value_class import value_class

#: lines that one look for pending rows passes at most: long stretches of skipped rows are passed in several
SCANNED = 20_000
#: the highest line
_LAST_LINE = 2**31 - 1

_NEXT = """
SELECT line, phone, country, correlation_id, merge, time_zone FROM campaign_rows
WHERE campaign_id = %(campaign)s AND line > %(after)s AND line <= %(upto)s AND verdict IS NULL AND request_id IS NULL
ORDER BY line LIMIT %(limit)s
"""


def after(conn: Connection, campaign: UUID, line: int, limit: int) -> tuple[list[CampaignRow], int]:
    """Return up to `limit` pending rows after a line, and the line up to which there are no others."""
    upto = min(line + SCANNED, _LAST_LINE)
    params = {"campaign": campaign, "after": line, "upto": upto, "limit": limit}
    found = [_row(row) for row in conn.exec_driver_sql(_NEXT, params)]
    return found, found[-1].line if len(found) == limit else upto


_CANARY = """
SELECT line, phone, country, correlation_id, merge, time_zone FROM campaign_rows
WHERE campaign_id = %(campaign)s AND canary AND verdict IS NULL AND request_id IS NULL
ORDER BY line LIMIT %(limit)s
"""


def canary(conn: Connection, campaign: UUID, limit: int) -> list[CampaignRow]:
    """Return up to `limit` pending rows that were drawn for the canary, by line."""
    return [_row(row) for row in conn.exec_driver_sql(_CANARY, {"campaign": campaign, "limit": limit})]


def _row(row: Row[Any]) -> CampaignRow:
    return CampaignRow(row.line, row.phone, row.country, row.correlation_id, row.merge, row.time_zone)


#: the first and the last line bound what is read, whatever join the planner chooses before the rows were analyzed
_LINES = """
WHERE r.campaign_id = %(campaign)s AND r.line BETWEEN %(first)s AND %(last)s AND r.line = s.line
  AND r.verdict IS NULL AND r.request_id IS NULL
"""
_MARK_SENT = f"""
UPDATE campaign_rows AS r SET request_id = %(request)s, place = s.place
FROM unnest(%(lines)b::int4[], %(places)b::int4[]) AS s (line, place)
{_LINES}"""
_MARK_SKIPPED = f"""
UPDATE campaign_rows AS r SET verdict = s.verdict, fault = s.fault
FROM unnest(%(lines)b::int4[], %(verdicts)b::text[], %(faults)b::text[]) AS s (line, verdict, fault)
{_LINES}"""


def mark_sent(conn: Connection, campaign: UUID, request: UUID, lines: Sequence[int], places: Sequence[int]) -> int:
    """Write of which message each of these pending rows is: the request's first plus its place; return how many."""
    if not lines:
        return 0
    params = {"request": request, "places": list(places), **_lines(campaign, lines)}
    return conn.exec_driver_sql(_MARK_SENT, params).rowcount


def mark_skipped(conn: Connection, campaign: UUID, skipped: Sequence[tuple[int, str, str]]) -> int:
    """Write the verdict of pending rows that are not sent, and why: (line, verdict, why) each; return how many."""
    if not skipped:
        return 0
    lines, verdicts, faults = map(list, zip(*skipped, strict=True))
    params = {"verdicts": verdicts, "faults": faults, **_lines(campaign, lines)}
    return conn.exec_driver_sql(_MARK_SKIPPED, params).rowcount


def _lines(campaign: UUID, lines: Sequence[int]) -> dict[str, object]:
    return {"campaign": campaign, "lines": list(lines), "first": min(lines), "last": max(lines)}


# Canary --------------------------------------------------------------------------------------------------------


@value_class
class CanaryCandidate:
    """A pending row that may be drawn for the canary."""

    line: int
    #: E.164 with the plus
    phone: str
    #: ISO 3166-1 alpha-2, as given; None: that of the number
    country: str | None


#: in turns over the countries, and of each over the beginnings of its numbers, by which carriers differ: those with the
#: lowest hash first. Where a row gives no country, its calling code (E.164: +1 and +7, else two or three digits) stands
#: for it
_CANDIDATES = """
SELECT line, phone, country FROM (
    SELECT line, phone, country, lot, row_number() OVER (PARTITION BY place ORDER BY turn, lot) AS turn
    FROM (
        SELECT *, row_number() OVER (PARTITION BY left(phone, 8) ORDER BY lot) AS turn
        FROM (
            SELECT line, phone, country, hashint8extended(line::int8, 0) AS lot,
                   coalesce(country, CASE WHEN left(phone, 2) IN ('+1', '+7') THEN left(phone, 2)
                                          WHEN left(phone, 3) = ANY(%(codes)b) THEN left(phone, 3)
                                          ELSE left(phone, 4) END) AS place
            FROM campaign_rows WHERE campaign_id = %(campaign)s AND verdict IS NULL AND request_id IS NULL
        ) AS pending
    ) AS begun
) AS placed
WHERE turn <= %(count)s ORDER BY turn, lot LIMIT %(count)s
"""
_UNDRAW = """
UPDATE campaign_rows SET canary = false WHERE campaign_id = %(campaign)s AND canary AND NOT line = ANY(%(lines)b)
"""
_SET_DRAWN = """
UPDATE campaign_rows SET canary = true WHERE campaign_id = %(campaign)s AND line = ANY(%(lines)b) AND NOT canary
"""


def candidates(conn: Connection, campaign: UUID, count: int, codes: Sequence[str]) -> list[CanaryCandidate]:
    """Return up to `count` pending rows of as many countries and beginnings of numbers as there are.

    Always in the same order. `codes`: the calling codes of two digits, with a plus.
    """
    params = {"campaign": campaign, "count": count, "codes": list(codes)}
    return [CanaryCandidate(row.line, row.phone, row.country) for row in conn.exec_driver_sql(_CANDIDATES, params)]


def draw(conn: Connection, campaign: UUID, lines: Sequence[int]) -> None:
    """Let the canary of a campaign be these rows, and no others."""
    drawn = {"campaign": campaign, "lines": list(lines)}
    conn.exec_driver_sql(_UNDRAW, drawn)
    conn.exec_driver_sql(_SET_DRAWN, drawn)
