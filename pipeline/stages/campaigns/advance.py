"""Advance: what the clock does with campaigns: begin, expire and finish them, and find those to be worked on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.errors import InsufficientFunds
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, campaign_backlog, campaign_progress, campaign_series, campaigns
from pipeline.transitions import campaign_moves
from schema.campaign import Campaign
from schema.vocabulary import CampaignState, PauseCause

#: campaigns one call looks at; the others are looked at by the next, the longest unattended first
PORTION = 200
#: seconds without a committed portion or a hint after which a campaign is hinted (again)
STALE = 2.0

_STARTED = frozenset({CampaignState.SCHEDULED, CampaignState.RUNNING, CampaignState.PAUSED})


@dataclass(frozen=True, slots=True)
class DueCampaigns:
    """Campaigns whose rows are to be worked on."""

    #: to be checked
    check: list[UUID]
    #: whose rows are to become messages, and whose gates are to be looked at
    expand: list[UUID]
    #: created in a series: their rows are to be copied, or their quote is to be looked at
    prepare: list[UUID]


def advance(rt: Runtime) -> DueCampaigns:
    """Begin campaigns that are due, end those that are over or complete; return those to be worked on.

    A second call at the same time finds nothing more to do.
    """
    with rt.read_only() as conn:
        now = rt.common_time(batches.clock(conn))
        before = now - timedelta(seconds=STALE)
        found = campaigns.due(conn, now, before, PORTION)
        made = campaign_series.unfinished(conn, before, PORTION)
    for each in found:
        if each.is_due or each.is_over or (each.has_outcomes and each.state is CampaignState.RUNNING):
            _advance(rt, each.id)
    states = {each.id: each.state for each in found}
    with rt.begin() as conn:
        hinted = sorted(campaign_progress.hint(conn, {*states, *made}, before, now))
    checked = [each for each in hinted if states.get(each) is CampaignState.CHECKING]
    expanded = [each for each in hinted if each in states and each not in checked]
    return DueCampaigns(checked, expanded, [each for each in hinted if each in made])


def _advance(rt: Runtime, campaign: UUID) -> None:
    try:
        _move(rt, campaign)
    except InsufficientFunds:  # for what it reserves as it begins
        with rt.begin() as conn:
            found = campaigns.lock(conn, campaign)
            if found and found.state is CampaignState.SCHEDULED:
                campaign_moves.move(
                    conn,
                    rt.now(),
                    found,
                    CampaignState.PAUSED,
                    str(PauseCause.INSUFFICIENT_FUNDS),
                    cause=PauseCause.INSUFFICIENT_FUNDS,
                )


def _move(rt: Runtime, campaign: UUID) -> None:
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        if found is None:
            return
        now = rt.common_time(batches.clock(conn))
        to = _next_state(conn, found, now)
        if to is CampaignState.RUNNING:
            campaign_moves.run(conn, rt.now(), found, now)
        elif to is not None:
            campaign_moves.move(conn, rt.now(), found, to)


def _next_state(conn: Connection, campaign: Campaign, now: datetime) -> CampaignState | None:
    """Return the state that a locked campaign takes by itself now; None: it keeps its own."""
    if campaign.state not in _STARTED:
        return None
    if campaign.state is CampaignState.RUNNING:
        progress = campaign_progress.of(conn, campaign.id)
        if progress.pending == 0 and not campaign_backlog.of(conn, campaign.id).batches:
            return CampaignState.FINISHED
    if campaign.valid_until and campaign.valid_until <= now:
        return CampaignState.EXPIRED
    if campaign.state is CampaignState.SCHEDULED and campaign.send_at and campaign.send_at <= now:
        return CampaignState.RUNNING
    return None
