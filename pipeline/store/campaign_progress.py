"""The campaign_progress table: how many rows of a campaign are loaded, checked, skipped and sent."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from schema.campaign import CampaignProgress

_SELECT = (
    "SELECT "
    + ", ".join(f"p.{each.name}" for each in fields(CampaignProgress))
    + " FROM campaign_progress AS p WHERE campaign_id ="
)
_OF, _ALL_OF = f"{_SELECT} %(campaign)s", f"{_SELECT} ANY(%(ids)b)"


def of(conn: Connection, campaign: UUID) -> CampaignProgress:
    """Return the counts of a campaign."""
    return _progress(conn.exec_driver_sql(_OF, {"campaign": campaign}).one())


def all_of(conn: Connection, campaigns: Collection[UUID]) -> dict[UUID, CampaignProgress]:
    """Return the counts of campaigns by their ids."""
    rows = conn.exec_driver_sql(_ALL_OF, {"ids": list(campaigns)})
    return {row.campaign_id: _progress(row) for row in rows}


def lock(conn: Connection, campaign: UUID) -> CampaignProgress:
    """Return the counts of a campaign, locked for a change; its row in `campaigns` is locked or shared before."""
    return _progress(conn.exec_driver_sql(f"{_OF} FOR UPDATE", {"campaign": campaign}).one())


def _progress(row: Row[Any]) -> CampaignProgress:
    return CampaignProgress(**row._mapping)


_LEAVE_OUT = """
UPDATE campaign_progress SET left_out = rows - skipped - sent WHERE campaign_id = %(campaign)s
"""


def leave_out(conn: Connection, campaign: UUID) -> None:
    """Count all rows that are neither sent nor skipped as left out: the campaign ends."""
    conn.exec_driver_sql(_LEAVE_OUT, {"campaign": campaign})


_ADD_ROWS = """
UPDATE campaign_progress SET rows = rows + %(rows)s, skipped = skipped + %(skipped)s, digest = %(digest)s
WHERE campaign_id = %(campaign)s
"""


def add_rows(conn: Connection, campaign: UUID, rows: int, skipped: int, digest: bytes) -> None:
    """Count loaded rows, of which some are skipped; `digest`: of all rows now."""
    params = {"campaign": campaign, "rows": rows, "skipped": skipped, "digest": digest}
    conn.exec_driver_sql(_ADD_ROWS, params)


_BEGIN_CHECK = """
UPDATE campaign_progress SET checked_line = 0, tally = NULL, worked_at = %(at)s WHERE campaign_id = %(campaign)s
"""


def begin_check(conn: Connection, campaign: UUID, at: datetime) -> None:
    """Forget how far the rows are checked, and their quote."""
    conn.exec_driver_sql(_BEGIN_CHECK, {"campaign": campaign, "at": at})


_CHECKED = """
UPDATE campaign_progress
SET checked_line = %(line)s, tally = %(tally)s, skipped = %(skipped)s, worked_at = %(at)s
WHERE campaign_id = %(campaign)s
"""


def set_checked(
    conn: Connection, campaign: UUID, line: int, tally: Mapping[str, Any], skipped: int, at: datetime
) -> None:
    """Set up to which line the rows are checked, their quote, and how many rows are skipped now."""
    params = {"campaign": campaign, "line": line, "tally": json.dumps(tally), "skipped": skipped, "at": at}
    conn.exec_driver_sql(_CHECKED, params)


_SKIP = "UPDATE campaign_progress SET skipped = skipped + %(rows)s WHERE campaign_id = %(campaign)s"


def skip(conn: Connection, campaign: UUID, rows: int) -> None:
    """Count rows as skipped."""
    conn.exec_driver_sql(_SKIP, {"campaign": campaign, "rows": rows})


@dataclass(frozen=True, slots=True)
class ExpandedRows:
    """What one portion of rows adds to the counts."""

    #: all rows up to this line are sent or skipped
    through: int
    sent: int
    skipped: int
    segments: int
    #: cost in minor units
    amount: int
    #: since when the speed limit counts, and what it counted before this portion
    paced_from: datetime | None
    paced_sent: int
    paced_segments: int


_ADD = """
UPDATE campaign_progress
SET expanded_line = %(through)s, sent = sent + %(sent)s, skipped = skipped + %(skipped)s,
    segments = segments + %(segments)s, amount = amount + %(amount)s,
    paced_from = %(paced_from)s, paced_sent = %(paced_sent)s::int4 + %(sent)s::int4,
    paced_segments = %(paced_segments)s::int4 + %(segments)s::int4, worked_at = %(at)s
WHERE campaign_id = %(campaign)s
"""


def add(conn: Connection, campaign: UUID, rows: ExpandedRows, at: datetime) -> None:
    """Add a portion to the counts of a campaign, which are locked."""
    conn.exec_driver_sql(_ADD, {**asdict(rows), "campaign": campaign, "at": at})


_PACE = """
UPDATE campaign_progress SET paced_from = %(at)s, paced_sent = 0, paced_segments = 0 WHERE campaign_id = %(campaign)s
"""
_GATES_FROM = "UPDATE campaign_progress SET gated_from = %(at)s WHERE campaign_id = %(campaign)s"


def pace_from(conn: Connection, campaign: UUID, at: datetime) -> None:
    """Let the speed limit of a campaign count from now."""
    conn.exec_driver_sql(_PACE, {"campaign": campaign, "at": at})


def gates_from(conn: Connection, campaign: UUID, at: datetime) -> None:
    """Let the gates of a campaign look at later messages only."""
    conn.exec_driver_sql(_GATES_FROM, {"campaign": campaign, "at": at})


_HINT = """
UPDATE campaign_progress SET worked_at = %(at)s WHERE campaign_id IN (
    SELECT campaign_id FROM campaign_progress WHERE campaign_id = ANY(%(ids)b) AND worked_at < %(before)s
    ORDER BY campaign_id FOR UPDATE SKIP LOCKED
) RETURNING campaign_id
"""


def hint(conn: Connection, campaigns: Collection[UUID], before: datetime, at: datetime) -> set[UUID]:
    """Note that campaigns on which nothing was done since `before` are hinted; return these."""
    params = {"ids": list(campaigns), "before": before, "at": at}
    return set(conn.exec_driver_sql(_HINT, params).scalars()) if campaigns else set()
