"""The campaign_rows table: a campaign's recipients, written by COPY, read in portions, refused in sets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store.bulk_copy import copy
from schema.campaign import CampaignRow
from schema.value_class import value_class

_COLUMNS = {
    "campaign_id": "uuid",
    "line": "int4",
    "phone": "text",
    "country": "text",
    "correlation_id": "text",
    "merge": "jsonb",
    "verdict": "text",
    "fault": "text",
    "time_zone": "text",
}


@value_class
class LoadedRow:
    """One row as it is stored when it is loaded."""

    line: int
    phone: str
    country: str | None
    correlation_id: str | None
    merge: dict[str, str] | None
    verdict: str | None
    fault: str | None
    time_zone: str | None = None


def write(conn: Connection, campaign: UUID, rows: Iterable[LoadedRow]) -> None:
    """Insert rows of a campaign by COPY."""
    copy(
        conn,
        "campaign_rows",
        _COLUMNS,
        (
            (
                *(campaign, row.line, row.phone, row.country, row.correlation_id, row.merge, row.verdict, row.fault),
                row.time_zone,
            )
            for row in rows
        ),
    )


_STORED = """
SELECT line, phone, country, correlation_id, merge, verdict, fault, time_zone FROM campaign_rows
WHERE campaign_id = %(campaign)s AND line BETWEEN %(first)s AND %(last)s ORDER BY line
"""


def stored(conn: Connection, campaign: UUID, first: int, last: int) -> list[LoadedRow]:
    """Return the rows of a range of lines, in order, with the verdicts that they have now."""
    params = {"campaign": campaign, "first": first, "last": last}
    return [LoadedRow(*row) for row in conn.exec_driver_sql(_STORED, params).all()]


_ARE_STORED = "SELECT EXISTS (SELECT FROM campaign_rows WHERE campaign_id = %(campaign)s)"


def are_stored(conn: Connection, campaign: UUID) -> bool:
    """Tell whether a campaign has any row: those of ended ones are deleted after a while."""
    return bool(conn.exec_driver_sql(_ARE_STORED, {"campaign": campaign}).scalar_one())


_PENDING = """
SELECT line, phone, country, correlation_id, merge, time_zone FROM campaign_rows
WHERE campaign_id = %(campaign)s AND line > %(after)s AND verdict IS NULL ORDER BY line LIMIT %(most)s
"""


def without_verdict(conn: Connection, campaign: UUID, after: int, most: int) -> list[CampaignRow]:
    """Return the next rows after a line that have no verdict, in order."""
    params = {"campaign": campaign, "after": after, "most": most}
    return [CampaignRow(*row) for row in conn.exec_driver_sql(_PENDING, params).all()]


_REFUSE = """
UPDATE campaign_rows AS r SET verdict = w.verdict, fault = w.fault
FROM unnest(%(lines)b::int4[], %(verdicts)b::text[], %(faults)b::text[]) AS w (line, verdict, fault)
WHERE r.campaign_id = %(campaign)s AND r.line = w.line AND r.verdict IS NULL
"""


def refuse(conn: Connection, campaign: UUID, refused: Sequence[tuple[int, str, str]]) -> int:
    """Set (line, verdict, what is wrong) of rows without a verdict; return of how many."""
    if not refused:
        return 0
    lines, verdicts, faults = (list(column) for column in zip(*refused, strict=True))
    params = {"campaign": campaign, "lines": lines, "verdicts": verdicts, "faults": faults}
    return conn.exec_driver_sql(_REFUSE, params).rowcount


# a number that could not be read stays as it was given: it is no E.164
_RESET = """
UPDATE campaign_rows SET verdict = NULL, fault = NULL
WHERE campaign_id = %(campaign)s AND verdict IS NOT NULL AND verdict NOT IN ('malformed', 'excluded')
  AND NOT (verdict = 'phone_invalid' AND phone !~ '^\\+[0-9]+$')
"""


def reset_verdicts(conn: Connection, campaign: UUID) -> None:
    """Remove the verdicts that a check sets; those of loading and of audiences left out stay."""
    conn.exec_driver_sql(_RESET, {"campaign": campaign})


_REPEATED = """
SELECT line, earlier FROM (
    SELECT line, first_value(line) OVER w AS earlier
    FROM campaign_rows WHERE campaign_id = %(campaign)s AND verdict IS NULL
    WINDOW w AS (PARTITION BY phone COLLATE "C" ORDER BY line)
) AS numbered WHERE line <> earlier
"""
_DROP_REPEATED = f"""
UPDATE campaign_rows AS r SET verdict = 'duplicate', fault = 'line ' || earlier || ' has the same number'
FROM ({_REPEATED}) AS w WHERE r.campaign_id = %(campaign)s AND r.line = w.line
"""
_COUNT_REPEATED = f"""
SELECT count(*) AS rows, (array_agg(line ORDER BY line))[:%(most)s] AS lines FROM ({_REPEATED}) AS w
"""


@dataclass(frozen=True, slots=True)
class RowCount:
    """How many rows have something in common, and the lines of the first ones."""

    rows: int
    lines: Sequence[int]


def count_repeated(conn: Connection, campaign: UUID, most: int) -> RowCount:
    """Count the rows without a verdict whose number an earlier one has; with up to `most` lines."""
    row = conn.exec_driver_sql(_COUNT_REPEATED, {"campaign": campaign, "most": most}).one()
    return RowCount(row.rows, row.lines or ())


def drop_repeated(conn: Connection, campaign: UUID) -> int:
    """Set the verdict `duplicate` of rows whose number an earlier row without a verdict has; return of how many."""
    return conn.exec_driver_sql(_DROP_REPEATED, {"campaign": campaign}).rowcount


_BY_VERDICT = """
SELECT verdict, count(*) AS rows, (array_agg(line ORDER BY line))[:%(most)s] AS lines
FROM campaign_rows WHERE campaign_id = %(campaign)s AND verdict IS NOT NULL GROUP BY verdict
"""


def by_verdict(conn: Connection, campaign: UUID, most: int) -> dict[str, RowCount]:
    """Return verdict → the number of its rows, with up to `most` lines."""
    rows = conn.exec_driver_sql(_BY_VERDICT, {"campaign": campaign, "most": most})
    return {row.verdict: RowCount(row.rows, row.lines) for row in rows}


_REFUSED = """
SELECT line, phone, verdict, fault, correlation_id FROM campaign_rows
WHERE campaign_id = %(campaign)s AND line > %(after)s AND verdict IS NOT NULL ORDER BY line LIMIT %(most)s
"""


def refused(conn: Connection, campaign: UUID, after: int, most: int) -> list[dict[str, Any]]:
    """Return the next rows after a line that have a verdict, in order."""
    params = {"campaign": campaign, "after": after, "most": most}
    return [dict(row) for row in conn.exec_driver_sql(_REFUSED, params).mappings()]
