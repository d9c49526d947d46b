"""The campaign_progress table: how many rows of a campaign are loaded, checked, skipped and sent."""

import json
from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row

from schema.campaign import CampaignProgress

_SELECT = (
    "SELECT "
    + ", ".join(f"p.{each.name}" for each in fields(CampaignProgress))
    + " FROM campaign_progress AS p WHERE campaign_id = %(campaign)s"
)


def of(conn: Connection, campaign: UUID) -> CampaignProgress:
    """Return the counts of a campaign."""
    return _progress(conn.exec_driver_sql(_SELECT, {"campaign": campaign}).one())


def lock(conn: Connection, campaign: UUID) -> CampaignProgress:
    """Return the counts of a campaign, locked for a change; its row in `campaigns` is locked or shared before."""
    return _progress(conn.exec_driver_sql(f"{_SELECT} FOR UPDATE", {"campaign": campaign}).one())


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
