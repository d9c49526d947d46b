"""State changes of campaigns, held to `rules/campaign_lifecycle`; at the end each row has an outcome."""

from datetime import datetime

from pipeline.errors import Conflict
from pipeline.rules.campaign_lifecycle import CAMPAIGN_MOVES, ENDED
from pipeline.runtime import Connection
from pipeline.store import campaign_progress, campaigns
from schema.campaign import Campaign
from schema.vocabulary import CampaignState


def move(conn: Connection, now: datetime, campaign: Campaign, to: CampaignState, reason: str | None = None) -> None:
    """Change the state of a locked campaign; Conflict: its state does not allow it.

    If it ends so, its rows that are neither sent nor skipped count as left out: fenced, or expired.
    """
    if to not in CAMPAIGN_MOVES[campaign.state]:
        raise Conflict(f"campaign {campaign.name!r} is {campaign.state}: it cannot become {to}")
    ends = to in ENDED
    if to in ENDED - {CampaignState.FINISHED}:
        campaign_progress.lock(conn, campaign.id)
        campaign_progress.leave_out(conn, campaign.id)
    campaigns.move(conn, campaign.id, campaign.state, to, now, reason=reason, ends=ends)
