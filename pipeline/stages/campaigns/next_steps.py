"""Next steps of a campaign: what it waits for, what its state allows, and whether the acting person may approve it."""

from dataclasses import dataclass

from pipeline.rules.campaigns.advice import NEEDS_PERSON, waits_for
from pipeline.rules.campaigns.operations import possible_operations
from pipeline.rules.money.quotes import Quote
from pipeline.runtime import Runtime, acting
from pipeline.transitions import campaign_approvals
from schema.campaign import Campaign
from schema.vocabulary import CampaignState


@dataclass(frozen=True, slots=True)
class NextSteps:
    """What may be done with a campaign."""

    #: what it waits for, in words; "": for nothing
    waits_for: str
    #: whether nothing happens until a person does something
    needs_person: bool
    #: the operations that its state allows: load, change, check, approve, start, pause, resume, abort, limit
    possible: frozenset[str]
    #: why the acting person may not approve it (four eyes); None: its state does not matter to that, or he may
    approval_refusal: str | None


def next_steps(rt: Runtime, campaign: Campaign) -> NextSteps:
    """Return what a campaign waits for and what may be done with it."""
    refusal = None
    if campaign.state is CampaignState.QUOTED and campaign.quote is not None:
        cost = Quote.from_json(campaign.quote).total.amount
        with rt.read_only() as conn:
            refusal = campaign_approvals.refusal(conn, campaign, cost, acting.get())
    return NextSteps(
        waits_for(campaign.state, campaign.reason),
        campaign.state in NEEDS_PERSON,
        possible_operations(campaign.state),
        refusal,
    )
