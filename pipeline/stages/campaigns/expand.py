"""Expand: the next rows of a running campaign become messages, in one transaction with the cursor that passes them.

Three steps, since orders are validated between them: `next_portion` reads pending rows, `admit` validates their order,
`write` commits requests, messages, billed batches, the rows' outcomes and the campaign's counts together. If anything
fails before that commit nothing has happened; of two processes with the same portion one finds the cursor moved and
writes nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.errors import Conflict, InsufficientFunds
from pipeline.rules.batching import pack
from pipeline.rules.campaigns import speed
from pipeline.rules.campaigns.local_hours import hours_of, within
from pipeline.rules.campaigns.speed import PacedCounts, SpeedLimit
from pipeline.rules.identity import ids
from pipeline.rules.text.segments import Capacity
from pipeline.runtime import Connection, Runtime
from pipeline.store import (
    batches,
    campaign_backlog,
    campaign_expansion,
    campaign_outcomes,
    campaign_progress,
    campaign_reservations,
    campaigns,
    wallet_ledger,
)
from pipeline.store.campaign_progress import ExpandedRows
from pipeline.store.campaign_reservations import Reservation
from pipeline.transitions import campaign_moves, new_batches, new_requests, priced_batches, recent_recipients
from pipeline.transitions.priced_batches import PricedBatches
from schema.campaign import Campaign, CampaignProgress, CampaignRow, as_order
from schema.message import Admission, Hint, Refusal
from schema.order import Order
from schema.vocabulary import CampaignState, PauseCause, RowVerdict

#: most rows of one portion
PORTION = 1000


@dataclass(frozen=True, slots=True)
class ExpansionPortion:
    """The next rows of a campaign."""

    campaign: Campaign
    #: the counts as they were read: if they have changed, another process was faster
    progress: CampaignProgress
    #: id of the request that the rows become
    request: UUID
    rows: Sequence[CampaignRow]
    #: all rows up to this line are sent or skipped once the portion is written
    through: int
    #: its rows are the first after the canary: gates must be looked at before it is written
    ends_canary: bool = False

    @property
    def order(self) -> Order | None:
        """Return the order that sends the rows; None: there are none, and only the cursor moves on."""
        return as_order(self.campaign, self.rows) if self.rows else None


@dataclass(frozen=True, slots=True)
class ExpansionResult:
    """What became of a portion."""

    #: batches that may be delivered now
    hints: list[Hint]
    #: it was written: the next portion may follow
    is_written: bool


_NOTHING = ExpansionResult([], False)
_NO_BATCHES = PricedBatches([], set())


# Reading -------------------------------------------------------------------------------------------------------


def next_portion(rt: Runtime, campaign: UUID) -> ExpansionPortion | None:
    """Return the next rows of a campaign; None: it is not running, has no more, or may not send more now.

    It may not while enough of its messages are on their way (`Settings.campaign_ahead`), while its speed limit is used
    up, and between its canary and the end of `canary_soak`.
    """
    with rt.read_only() as conn:
        found = campaigns.of(conn, campaign)
        if found is None or found.state is not CampaignState.RUNNING:
            return None
        progress = campaign_progress.of(conn, campaign)
        count = _room(rt, conn, found, progress) if progress.pending > 0 else 0
        if count < 1:
            return None
        is_canary = found.canary is not None and progress.expanded_line == 0
        if is_canary:
            rows = campaign_expansion.canary(conn, campaign, count)
            if rows:
                return ExpansionPortion(found, progress, rt.new_ids(), rows, progress.expanded_line)
            if _is_soaking(rt, conn, found):
                return None
        rows, through = campaign_expansion.after(conn, campaign, progress.expanded_line, count)
    return ExpansionPortion(found, progress, rt.new_ids(), rows, through, is_canary)


def _is_soaking(rt: Runtime, conn: Connection, campaign: Campaign) -> bool:
    """Tell whether messages of the canary are not handed over yet, or were too shortly before."""
    waiting, last_at = campaign_outcomes.handover(conn, campaign_outcomes.canary(conn, campaign.id))
    soak = timedelta(seconds=campaign.canary_soak or 0)
    return waiting > 0 or (last_at is not None and _now(rt, conn) < last_at + soak)


def _room(rt: Runtime, conn: Connection, campaign: Campaign, progress: CampaignProgress) -> int:
    """Return how many rows may become messages now."""
    ahead = rt.settings.campaign_ahead - campaign_backlog.of(conn, campaign.id).messages
    now = _now(rt, conn)
    counts = _counts(campaign, progress, now)
    return speed.room(_limit(campaign, progress), counts, _average(progress), now, min(PORTION, ahead))


def _limit(campaign: Campaign, progress: CampaignProgress) -> SpeedLimit:
    return speed.limit_of(campaign, progress.rows - progress.skipped)


def _counts(campaign: Campaign, progress: CampaignProgress, now: datetime) -> PacedCounts:
    """Return what the speed limit counts; allowance that was not used in time is dropped."""
    counts = PacedCounts(progress.paced_from or now, progress.paced_sent, progress.paced_segments)
    return speed.rebased(_limit(campaign, progress), counts, _average(progress), now)


def _average(progress: CampaignProgress) -> float:
    """Return the segments of a row's message, of those sent so far."""
    return progress.segments / progress.sent if progress.sent else 1.0


def _now(rt: Runtime, conn: Connection) -> datetime:
    return rt.common_time(batches.clock(conn))


# Writing -------------------------------------------------------------------------------------------------------


class _QuoteExceeded(Exception):
    """The portion would cost more than what is approved."""


def write(
    rt: Runtime, portion: ExpansionPortion, admission: Admission | None, *, capacities: Mapping[str, Capacity]
) -> ExpansionResult:
    """Commit a portion with the admission of its order; return hints of its batches.

    Refused recipients are skipped. If the order is refused as a whole, the money does not suffice or the approved cost
    would be exceeded, nothing is written and the campaign is paused for that reason: no row fails.
    `capacities`: as in `accept`.
    """
    if admission:
        admission = replace(admission, campaign=portion.campaign.id)
        for refusal in admission.refusals:
            if refusal.index is None:
                _pause(rt, portion.campaign.id, PauseCause.REFUSED, str(refusal.code))
                return _NOTHING
    try:
        try:
            return _commit(rt, portion, admission, capacities)
        except InsufficientFunds:
            # what was left of the quota may have been used meanwhile: once more with wallet and quota locked first
            return _commit(rt, portion, admission, capacities, locks=True)
    except InsufficientFunds:
        _pause(rt, portion.campaign.id, PauseCause.INSUFFICIENT_FUNDS)
    except _QuoteExceeded:
        _pause(rt, portion.campaign.id, PauseCause.QUOTE_EXCEEDED)
    return _NOTHING


def _commit(
    rt: Runtime,
    portion: ExpansionPortion,
    admission: Admission | None,
    capacities: Mapping[str, Capacity],
    *,
    locks: bool = False,
) -> ExpansionResult:
    """Write a portion, if its campaign still runs and no other process has written it; `locks` its wallet first."""
    id_ = portion.campaign.id
    with rt.begin() as conn:
        campaign = campaigns.share(conn, id_)
        if campaign is None or campaign.state is not CampaignState.RUNNING:
            return _NOTHING
        progress = campaign_progress.lock(conn, id_)
        if _cursor(progress) != _cursor(portion.progress):
            return _NOTHING
        now, clock = rt.now(), batches.clock(conn)
        recent: set[int] = set()
        if admission:
            zones = [row.time_zone for row in portion.rows]
            admission, recent = _sendable(rt, conn, campaign, admission, zones, rt.common_time(clock))
        if locks and admission:
            wallet_ledger.funds(conn, campaign.account_id, ids.month(admission.first), lock=True)
        reserved = campaign_reservations.of(conn, id_) if campaign.reserve else None
        found = _NO_BATCHES
        if admission:
            admission, found = _price(rt, conn, clock, admission, capacities, reserved)
        added = _added(portion, campaign, progress, found, rt.common_time(clock))
        if campaign.max_cost is not None and progress.amount + added.amount > campaign.max_cost:
            raise _QuoteExceeded
        hints, holds = new_batches.accept(conn, now, found.priced, found.subscribing, clock=clock)
        if admission:
            _write_rows(conn, portion, admission, recent)
        campaign_progress.add(conn, id_, added, clock)
        holds = campaign_reservations.draw(conn, reserved, holds, now) if reserved else holds
        wallet_ledger.hold_all(conn, holds, now)
    return ExpansionResult(hints, True)


def _sendable(
    rt: Runtime,
    conn: Connection,
    campaign: Campaign,
    admission: Admission,
    zones: Sequence[str | None],
    now: datetime,
) -> tuple[Admission, set[int]]:
    """Return the admission by the recipients' local hours, without those who got another message since the check.

    And the places of these. `zones`: the recipients' time zones, in order.
    """
    if hours := hours_of(campaign):
        admission = within(admission, hours, now, zones)
    recent = recent_recipients.meanwhile(rt, conn, campaign, admission.drafts, now)
    return replace(admission, drafts=[each for each in admission.drafts if each.index not in recent]), recent


def _cursor(progress: CampaignProgress) -> tuple[int, int, int]:
    """Return what every portion changes: rows of the canary do not move the line."""
    return progress.expanded_line, progress.sent, progress.skipped


def _price(
    rt: Runtime,
    conn: Connection,
    clock: datetime,
    admission: Admission,
    capacities: Mapping[str, Capacity],
    reserved: Reservation | None,
) -> tuple[Admission, PricedBatches]:
    """Return the batches of an order's recipients that have a price, and its admission with refusals of the others."""
    quotas = {(reserved.account_id, reserved.month): reserved.quota} if reserved else {}
    loads = list(pack([admission], rt.new_ids(), clock, rt.settings.batch_size))
    found = priced_batches.price(conn, rt.common_time(clock), loads, capacities, quotas)
    unpriced = {
        draft.index: Refusal(paid.refusal, "its destination has no price", f"recipients[{draft.index}].to", draft.index)
        for load, charges in found.priced
        for (_, draft), paid in zip(load.members, charges, strict=True)
        if paid.refusal
    }
    if not unpriced:
        return admission, found
    drafts = [draft for draft in admission.drafts if draft.index not in unpriced]
    rest = replace(admission, drafts=drafts, refusals=[*admission.refusals, *unpriced.values()])
    return _price(rt, conn, clock, rest, capacities, reserved)


def _added(
    portion: ExpansionPortion, campaign: Campaign, progress: CampaignProgress, found: PricedBatches, now: datetime
) -> ExpandedRows:
    """Return what a portion adds to the counts."""
    charges = [charge for _, charges in found.priced for charge in charges]
    counts = _counts(campaign, progress, now)
    return ExpandedRows(
        through=portion.through,
        sent=len(charges),
        skipped=len(portion.rows) - len(charges),
        segments=sum(each.measure.segments for each in charges),
        amount=sum(each.amount for each in charges),
        paced_from=counts.since,
        paced_sent=counts.recipients,
        paced_segments=counts.segments,
    )


def _write_rows(conn: Connection, portion: ExpansionPortion, admission: Admission, recent: Collection[int]) -> None:
    """Write the request, and what became of each row: sent as one of its messages, or skipped.

    `recent`: the places of those who got a message of the account meanwhile.
    """
    if admission.drafts:
        new_requests.write_new(conn, [admission])
    lines = [row.line for row in portion.rows]
    places = [draft.index for draft in admission.drafts]
    sent = [lines[place] for place in places]
    skipped = [
        (lines[each.index], str(each.code), each.message) for each in admission.refusals if each.index is not None
    ]
    why = recent_recipients.fault(portion.campaign)
    skipped += [(lines[place], str(RowVerdict.RECENTLY_MESSAGED), why) for place in sorted(recent)]
    marked = campaign_expansion.mark_sent(conn, portion.campaign.id, admission.request, sent, places)
    marked += campaign_expansion.mark_skipped(conn, portion.campaign.id, skipped)
    if marked != len(lines):  # else a row could be sent twice
        raise Conflict(f"rows of campaign {portion.campaign.name!r} have changed while it was running")


def _pause(rt: Runtime, campaign: UUID, cause: PauseCause, code: str | None = None) -> None:
    """Pause a campaign that still runs; `code`: of the refusal, if it is the cause."""
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        if found and found.state is CampaignState.RUNNING:
            campaign_moves.move(conn, rt.now(), found, CampaignState.PAUSED, code or str(cause), cause=cause)
