"""Occurrences: campaigns that the clock has created in a series are given recipients, checked, approved and started."""

from dataclasses import replace
from datetime import datetime
from enum import Enum, auto
from uuid import UUID

from pipeline.rules.campaigns.repetition import ROWS_GONE
from pipeline.rules.campaigns.same_definition import changed_since
from pipeline.rules.money.currencies import spell
from pipeline.rules.money.quotes import Quote
from pipeline.runtime import Connection, Runtime
from pipeline.store import batches, campaign_progress, campaign_series, campaigns
from pipeline.transitions import campaign_approvals, campaign_moves, campaign_quotes
from schema.campaign import Campaign
from schema.vocabulary import CampaignState

#: recipients that are copied in one transaction
PORTION = 10_000
#: approvals of a series that are looked at, the latest first
_APPROVALS = 20


class NextStep(Enum):
    """What may follow a step."""

    #: the clock finds it, or a person: nothing now
    NONE = auto()
    #: another step
    PREPARE = auto()
    #: the start, as an operator's, then another step
    START = auto()


def prepare(rt: Runtime, campaign: UUID) -> NextStep:
    """Do the next step for a campaign that the clock has created; return what may follow at once.

    A portion of its recipients is copied, then its check begun; once it is quoted it is approved, to be started, if an
    approval of its series covers it, else it waits for a person, with the reason. Of several processes each finds what
    the one before it left.
    """
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        source = found.copies_from if found else None
        if found is None or source is None or found.state is CampaignState.CHECKING:
            return NextStep.NONE
        now = rt.common_time(batches.clock(conn))
        match found.state:
            case CampaignState.DRAFT:
                return _copy(rt, conn, found, source, now)
            case CampaignState.STALE:
                campaign_moves.begin_check(conn, rt.now(), found, now)
                return NextStep.NONE
            case CampaignState.QUOTED:
                _judge(conn, found, now)
                return NextStep.PREPARE
            case CampaignState.APPROVED if found.approved_with:
                return NextStep.START
            case _:
                campaign_series.end_making(conn, campaign)
                return NextStep.NONE


def _copy(rt: Runtime, conn: Connection, campaign: Campaign, source: UUID, now: datetime) -> NextStep:
    """Copy a portion of recipients, after the last one begin the check; return what may follow."""
    campaign_progress.lock(conn, campaign.id)
    copied, missing = campaign_series.copy_rows(conn, campaign.id, source, PORTION, now)
    if missing and not copied:
        campaign_moves.move(conn, now, campaign, CampaignState.CHECKING)
        campaign_moves.move(conn, now, replace(campaign, state=CampaignState.CHECKING), CampaignState.FAILED, ROWS_GONE)
        campaign_series.end_making(conn, campaign.id)
        assert campaign.series_id
        campaign_series.set_next(conn, campaign.series_id, None, ended=ROWS_GONE)
        return NextStep.NONE
    if not missing:
        campaign_moves.begin_check(conn, rt.now(), campaign, now)
        return NextStep.NONE
    return NextStep.PREPARE


def _judge(conn: Connection, campaign: Campaign, now: datetime) -> None:
    """Approve a quoted campaign as its series was, or write why it waits for a person."""
    outdated = campaign_quotes.why_outdated(conn, campaign, now)
    if outdated is not None:
        campaign_moves.move(conn, now, campaign, CampaignState.STALE, outdated)
        return
    assert campaign.quote is not None
    cost = Quote.from_json(campaign.quote).total.amount
    covering = _covering(conn, campaign, cost, now)
    if isinstance(covering, str):
        campaigns.update(conn, campaign.id, {CampaignState.QUOTED}, {"reason": covering})
        campaign_series.end_making(conn, campaign.id)
        return
    approval = {"approved_by": covering.approved_by, "approved_at": now, "approved_with": covering.id}
    campaigns.update(conn, campaign.id, {CampaignState.QUOTED}, {**approval, "max_cost": cost})
    campaign_moves.move(conn, now, campaign, CampaignState.APPROVED)


def _covering(conn: Connection, campaign: Campaign, cost: int, now: datetime) -> Campaign | str:
    """Return the campaign of the series whose approval covers this one, or why none does."""
    first = campaigns.of(conn, campaign.series_id) if campaign.series_id else None
    if first is None or first.repeat_ended is not None:
        return "its series has ended" + (f": {first.repeat_ended}" if first else "")
    if campaign.valid_until and campaign.valid_until <= now:
        return "its validity has ended"
    reasons: list[str] = []
    approvals = campaign_series.approvals(conn, campaign, _APPROVALS)
    counts = campaign_progress.all_of(conn, {campaign.id, *(each.id for each in approvals)})
    for approved in approvals:
        is_same = counts[approved.id].digest == counts[campaign.id].digest
        reason = _why_uncovered(conn, approved, campaign, cost, has_same_recipients=is_same)
        if reason is None:
            return approved
        reasons.append(reason)
    return reasons[0] if reasons else "no campaign of its series is approved"


def _why_uncovered(
    conn: Connection, approved: Campaign, campaign: Campaign, cost: int, *, has_same_recipients: bool
) -> str | None:
    """Return why the approval of a campaign does not cover another one of its series; None: it does."""
    field, most = changed_since(approved, campaign), approved.max_cost or 0
    if field is None and not has_same_recipients:
        field = "recipients"
    if field is not None:
        return f"its {_WORDS.get(field, f'{field} has')} changed since campaign {approved.name!r} was approved"
    if cost > most:
        words = f"{spell(cost, campaign.currency)}, more than the {spell(most, campaign.currency)}"
        return f"it costs {words} approved for campaign {approved.name!r}"
    if not campaign_approvals.covers(conn, approved.approved_by or "", campaign, cost):
        return "its account requires a second person at this cost"
    return None


_WORDS = {"body": "text has", "recipients": "recipients have"}


def give_up(rt: Runtime, campaign: UUID, reason: str) -> None:
    """Let an approved campaign that could not be started wait for a person, unless another process has started it."""
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        if found and found.copies_from and found.state is CampaignState.APPROVED:
            campaigns.update(conn, campaign, {CampaignState.APPROVED}, {"reason": reason})
            campaign_series.end_making(conn, campaign)
