"""Which state changes of campaigns operators get an e-mail about, and its text: no numbers and no texts of messages."""

from datetime import UTC, datetime

from pipeline.rules.money import currencies
from schema.campaign import Campaign, CampaignProgress
from schema.vocabulary import CampaignState, PauseCause

_ADVICE = {
    PauseCause.GATES: "Look at its errors; `resume` goes on in spite of the gate, `abort` ends it.",
    PauseCause.INSUFFICIENT_FUNDS: "Top up the wallet or grant quota, then resume it.",
    PauseCause.QUOTE_EXCEEDED: "The rest would cost more than was approved. `abort` ends it.",
    PauseCause.REFUSED: "Its messages would be refused for this reason. Mend that, then resume it.",
}
_MEND = "Nothing is sent. Mend what is wrong, then check it again."


def is_alert(state: CampaignState, cause: PauseCause | None) -> bool:
    """Tell whether a campaign in this state needs a person: its check failed, or it was paused by no person."""
    if state is CampaignState.PAUSED:
        return cause is not PauseCause.PERSON
    return state is CampaignState.FAILED


def subject(campaign: Campaign) -> str:
    """Return the subject of the e-mail: one line."""
    reason = f": {campaign.reason}" if campaign.reason else ""
    return " ".join(f"Postroad: campaign {campaign.name} of {campaign.account} is {campaign.state}{reason}".split())


def text(campaign: Campaign, progress: CampaignProgress, cause: PauseCause | None, at: datetime) -> str:
    """Return the body of the e-mail: what happened, how far the campaign is, and what to do."""
    cost = f"{currencies.decimal(progress.amount, campaign.currency)} {campaign.currency}"
    return f"""\
The campaign {campaign.name!r} of the account {campaign.account!r} is {campaign.state}.

Since:      {at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC
Reason:     {campaign.reason or "-"}
Recipients: {progress.rows}; sent {progress.sent}, skipped {progress.skipped}, pending {progress.pending}
Cost:       {cost} so far

{_ADVICE[cause] if cause else _MEND}

    postroad campaign status {campaign.id}
    postroad campaign errors {campaign.id}
"""
