"""The campaign_progress table: how many rows of a campaign are loaded, checked, skipped and sent."""

from dataclasses import fields
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
