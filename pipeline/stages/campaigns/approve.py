"""Approve: accept a campaign's quote, as long as nothing that it was made of has changed."""

from uuid import UUID

from pipeline.errors import Conflict, NotFound
from pipeline.rules.money.currencies import spell
from pipeline.rules.money.quotes import Quote
from pipeline.runtime import Runtime, acting
from pipeline.store import batches, campaigns
from pipeline.transitions import campaign_approvals, campaign_moves, campaign_quotes
from schema.actor import actor_name
from schema.campaign import Campaign
from schema.vocabulary import CampaignState


def approve(rt: Runtime, campaign: UUID, *, max_cost: int | None = None) -> Campaign:
    """Approve the quote of a campaign; return it, with the quoted cost as the most that it may cost.

    `max_cost`: refuse a quote above these minor units. NotFound; Conflict: it has no valid quote (one that is too old,
    or made of something that changed, makes the campaign `stale`), costs more, or needs the approval of another actor
    than its creator.
    """
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {campaign}")
        if found.state is not CampaignState.QUOTED or found.quote is None:
            raise Conflict(_why_not_quoted(found))
        now = rt.common_time(batches.clock(conn))
        outdated = campaign_quotes.why_outdated(conn, found, now)
        if outdated is None:
            cost = Quote.from_json(found.quote).total.amount
            _require_affordable(found, cost, max_cost)
            if words := campaign_approvals.refusal(conn, found, cost, acting.get()):
                raise Conflict(words)
            columns = {"approved_by": actor_name(acting.get()), "approved_at": now, "max_cost": cost}
            campaigns.update(conn, campaign, {CampaignState.QUOTED}, columns)
            campaign_moves.move(conn, now, found, CampaignState.APPROVED)
        else:
            campaign_moves.move(conn, now, found, CampaignState.STALE, outdated)
        approved = campaigns.of(conn, campaign)
    if outdated is not None:  # committed: it is stale
        raise Conflict(f"campaign {found.name!r}: {outdated}: check it again, then approve the new quote")
    assert approved
    return approved


def _why_not_quoted(campaign: Campaign) -> str:
    if campaign.state is CampaignState.APPROVED:
        return f"campaign {campaign.name!r} is approved already: it can be started"
    return f"campaign {campaign.name!r} is {campaign.state}: it must be checked before it can be approved"


def _require_affordable(campaign: Campaign, cost: int, max_cost: int | None) -> None:
    if max_cost is not None and cost > max_cost:
        quoted, most = spell(cost, campaign.currency), spell(max_cost, campaign.currency)
        raise Conflict(f"campaign {campaign.name!r} costs {quoted}, more than {most}: it is not approved")
