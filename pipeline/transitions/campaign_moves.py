"""State changes of campaigns, held to `rules/campaign_lifecycle`, with their events.

Money is reserved as one begins, released at its end. At the end each row has an outcome.
"""

from datetime import datetime

from pipeline.errors import Conflict
from pipeline.rules.campaign_lifecycle import CAMPAIGN_MOVES, ENDED, REPORTED
from pipeline.rules.money.quotes import Quote
from pipeline.runtime import Connection
from pipeline.store import campaign_progress, campaign_reservations, campaigns
from pipeline.store.api import campaign_events
from pipeline.store.campaign_reservations import Reservation
from schema.campaign import Campaign
from schema.vocabulary import CampaignState, PauseCause

_UNCHECKED = {"quote": None, "quoted_at": None, "quote_until": None, "quote_hash": None}
_UNAPPROVED = {"max_cost": None, "approved_by": None, "approved_at": None, "approved_with": None}


def move(
    conn: Connection,
    now: datetime,
    campaign: Campaign,
    to: CampaignState,
    reason: str | None = None,
    *,
    cause: PauseCause | None = None,
) -> None:
    """Change the state of a locked campaign, and write the event that webhooks report; Conflict: it is not allowed.

    If it ends so, its rows that are neither sent nor skipped count as left out (fenced, or expired), and what it has
    reserved and not used is released: the wallet is locked then, so call it last. `cause`: what pauses it.
    """
    if to not in CAMPAIGN_MOVES[campaign.state]:
        raise Conflict(f"campaign {campaign.name!r} is {campaign.state}: it cannot become {to}")
    ends = to in ENDED
    if to in ENDED - {CampaignState.FINISHED}:
        campaign_progress.lock(conn, campaign.id)
        campaign_progress.leave_out(conn, campaign.id)
    campaigns.move(conn, campaign.id, campaign.state, to, now, reason=reason, ends=ends)
    if event := REPORTED.get(to):
        campaign_events.record(conn, campaign, to, event, now, reason=reason, cause=cause)
    if ends and campaign.reserve:
        campaign_reservations.end(conn, campaign.id, now)


def run(conn: Connection, now: datetime, campaign: Campaign, clock: datetime) -> None:
    """Let a locked campaign run, its speed limit counting from now; call it last in the transaction.

    If it is to hold its whole quote and does not yet, that is reserved; InsufficientFunds: wallet or quota do not
    cover it. `clock`: `now` by the database's clock.
    """
    move(conn, now, campaign, CampaignState.RUNNING)
    campaign_progress.pace_from(conn, campaign.id, clock)
    if campaign.reserve and campaign.quote and campaign_reservations.of(conn, campaign.id) is None:
        total = Quote.from_json(campaign.quote).total
        month = clock.date().replace(day=1)
        reserved = Reservation(campaign.id, campaign.account_id, total.amount, total.quota, month)
        campaign_reservations.reserve(conn, reserved, now)


def begin_check(conn: Connection, now: datetime, campaign: Campaign, at: datetime) -> None:
    """Let the rows of a locked campaign be checked, from the first; its quote and approval are void.

    `at`: the time that is the same for all hosts. Conflict: it is being checked, or was started.
    """
    move(conn, now, campaign, CampaignState.CHECKING)
    campaigns.update(conn, campaign.id, {CampaignState.CHECKING}, _UNCHECKED | _UNAPPROVED)
    campaign_progress.lock(conn, campaign.id)
    campaign_progress.begin_check(conn, campaign.id, at)


def require_copied(campaign: Campaign) -> None:
    """Raise Conflict while the recipients of a campaign are being copied from the one before it in its series."""
    if campaign.is_being_copied:
        raise Conflict(f"campaign {campaign.name!r} is being made by its series: wait until it is quoted")
