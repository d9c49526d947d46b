"""Check: refuse, measure and price the rows of a campaign, portion by portion, until its quote is complete."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.errors import NotFound
from pipeline.rules.batching import PackedBatch, pack
from pipeline.rules.campaigns import speed
from pipeline.rules.campaigns.local_hours import hours_of, within
from pipeline.rules.money import quote_binding
from pipeline.rules.money.message_pricing import Pricing, charge_all
from pipeline.rules.money.price_lists import Price
from pipeline.rules.money.quotes import MOST_LINES, Quote, RefusedRecipients
from pipeline.rules.routing.routes import RouteQuery, RouteTable
from pipeline.runtime import Connection, Runtime, Work
from pipeline.store import (
    batches,
    campaign_progress,
    campaign_rows,
    campaigns,
    carriers,
    earlier_recipients,
    message_index,
    routing_snapshot,
    wallet_ledger,
)
from pipeline.store.campaign_rows import RowCount
from pipeline.transitions import campaign_moves, recent_recipients
from schema.campaign import Campaign, CampaignProgress, CampaignRow, as_order
from schema.message import Admission, Charge
from schema.order import Order
from schema.vocabulary import CampaignState, DuplicatePolicy

#: rows that are checked in one transaction
PORTION = 2000
#: an index of messages that is complete up to longer ago than this misses recent ones
_LATENESS = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class RowsToCheck:
    """The next rows to be checked; none: all are."""

    campaign: Campaign
    #: as it was when they were read
    progress: CampaignProgress
    rows: Sequence[CampaignRow]

    def order(self, now: datetime) -> Order:
        """Return the order that would send them."""
        order = as_order(self.campaign, self.rows)
        send_at = self.campaign.send_at
        return order.model_copy(update={"send_at": send_at}) if send_at and send_at > now else order


@dataclass(frozen=True, slots=True)
class _Known:
    """What prices depend on, as it is now."""

    now: datetime
    prices: Sequence[Price]
    money: int
    quota: int
    routes: RouteTable


def start_check(rt: Runtime, campaign: UUID) -> None:
    """Begin to check a campaign's rows, from the first; its quote and approval are void.

    NotFound; Conflict: it is being checked, or was started.
    """
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {campaign}")
        campaign_moves.require_copied(found)
        campaign_moves.begin_check(conn, rt.now(), found, rt.common_time(batches.clock(conn)))


def next_rows(rt: Runtime, campaign: UUID) -> RowsToCheck | None:
    """Return the rows that are to be checked next; None: the campaign is not being checked (any more)."""
    with rt.read_only() as conn:
        found = campaigns.of(conn, campaign)
        if found is None or found.state is not CampaignState.CHECKING:
            return None
        progress = campaign_progress.of(conn, campaign)
        if progress.tally is not None:
            rows = campaign_rows.without_verdict(conn, campaign, progress.checked_line, PORTION)
            return RowsToCheck(found, progress, rows)
    return next_rows(rt, campaign) if _prepare(rt, campaign) else None


def record_checked(rt: Runtime, checked: RowsToCheck, admission: Admission) -> None:
    """Set the verdicts of rows that were admitted as `admission` says, and add the others to the quote.

    Without effect where another process has recorded them. If prices changed since the first portion, the check begins
    again; if the whole order is refused, the campaign fails.
    """
    whole = [each for each in admission.refusals if each.index is None]
    if whole:
        words = "; ".join(f"{each.field}: {each.message}" if each.field else each.message for each in whole)
        _fail(rt, checked, words)
        return
    known = _look_up(rt, checked.campaign)
    if hours := hours_of(checked.campaign):
        admission = within(admission, hours, known.now, [row.time_zone for row in checked.rows])
    tally = checked.progress.tally
    assert tally is not None
    quote = Quote.from_json(tally)
    refused = _price(rt, checked, admission, known, quote)
    with rt.begin() as conn:
        if not _is_current(conn, checked):
            return
        if quote_binding.bind(checked.campaign, checked.progress, known.prices) != checked.campaign.quote_hash:
            campaign_progress.begin_check(conn, checked.campaign.id, known.now)
            return
        campaign_rows.refuse(conn, checked.campaign.id, refused)
        line = checked.rows[-1].line
        campaign_progress.set_checked(conn, checked.campaign.id, line, quote.to_json(), quote.skipped, known.now)


def end_check(rt: Runtime, checked: RowsToCheck) -> None:
    """Store the quote of a campaign whose rows are all checked; it fails if none of them could be sent."""
    campaign, tally = checked.campaign, checked.progress.tally
    assert tally is not None
    quote = Quote.from_json(tally)
    known = _look_up(rt, campaign)
    quote.money = known.money
    with rt.begin() as conn:
        rows = carriers.all_of(conn)
        rate_limits = {row.name: row.segments_per_second for row in rows if row.segments_per_second}
        limit = speed.limit_of(campaign, quote.total.messages)
        quote.set_seconds(rate_limits, limit.per_hour, limit.segments_per_second)
        quote.earlier = earlier_recipients.find(conn, campaign, checked.progress.digest)
        if not _is_current(conn, checked):
            return
        if quote_binding.bind(campaign, checked.progress, known.prices) != campaign.quote_hash:
            campaign_progress.begin_check(conn, campaign.id, known.now)
            return
        until = known.now + timedelta(hours=rt.settings.campaign_quote_hours)
        columns = {"quote": quote.to_json(), "quoted_at": known.now, "quote_until": until}
        campaigns.update(conn, campaign.id, {CampaignState.CHECKING}, columns)
        reason = None if quote.total.messages else f"none of its {checked.progress.rows:,} rows can be sent"
        to = CampaignState.FAILED if reason else CampaignState.QUOTED
        campaign_moves.move(conn, rt.now(), campaign, to, reason)


# Before the first portion --------------------------------------------------------------------------------------


def _prepare(rt: Runtime, campaign: UUID) -> bool:
    """Forget the verdicts of an earlier check, set those of recipients that are left out; return False if it fails."""
    with rt.begin(Work.COMMAND) as conn:
        found = campaigns.lock(conn, campaign)
        progress = campaign_progress.lock(conn, campaign)
        if found is None or found.state is not CampaignState.CHECKING or progress.tally is not None:
            return True
        campaign_rows.reset_verdicts(conn, campaign)
        now = rt.common_time(batches.clock(conn))
        _leave_out_recent(rt, conn, found, now)
        repeated = _repeated(conn, found)
        quote = Quote(repeated=_counted(repeated))
        found_verdicts = campaign_rows.by_verdict(conn, campaign, MOST_LINES)
        quote.refused = {verdict: _counted(count) for verdict, count in found_verdicts.items()}
        prices = wallet_ledger.books(conn, [found.account_id], now)
        binding = quote_binding.bind(found, progress, prices.get(found.account_id, []))
        campaigns.update(conn, campaign, {CampaignState.CHECKING}, {"quote_hash": binding})
        campaign_progress.set_checked(conn, campaign, 0, quote.to_json(), quote.skipped, now)
        reason = _why_failed(found, progress, repeated)
        if reason:  # the counts are those of the rows nevertheless
            campaign_moves.move(conn, rt.now(), found, CampaignState.FAILED, reason)
    return reason is None


def _leave_out_recent(rt: Runtime, conn: Connection, campaign: Campaign, now: datetime) -> None:
    """Refuse the rows whose number got a message of the account within the campaign's hours before it is sent."""
    if since := recent_recipients.since(campaign, now):
        key = message_index.key(conn)
        is_late = key is None or key.complete_until is None or key.complete_until < now - _LATENESS
        hashes = recent_recipients.hashes(rt, key, since, now)
        recent_recipients.leave_out(conn, campaign, since, hashes, is_late=is_late)


def _why_failed(campaign: Campaign, progress: CampaignProgress, repeated: RowCount) -> str | None:
    if not progress.rows:
        return "it has no recipients: load them first"
    if repeated.rows and campaign.duplicates is DuplicatePolicy.REFUSE:
        return f"{repeated.rows:,} rows have the number of an earlier one: lines {', '.join(map(str, repeated.lines))}"
    return None


def _repeated(conn: Connection, campaign: Campaign) -> RowCount:
    """Drop the rows whose number an earlier one has, or count them, as the campaign has it."""
    if campaign.duplicates is DuplicatePolicy.DROP:
        campaign_rows.drop_repeated(conn, campaign.id)
        return RowCount(0, ())
    return campaign_rows.count_repeated(conn, campaign.id, MOST_LINES)


def _counted(count: RowCount) -> RefusedRecipients:
    return RefusedRecipients(count.rows, list(count.lines))


# A portion -----------------------------------------------------------------------------------------------------


def _is_current(conn: Connection, checked: RowsToCheck) -> bool:
    """Lock campaign and progress; return whether the rows were recorded by no other process meanwhile."""
    found = campaigns.lock(conn, checked.campaign.id)
    progress = campaign_progress.lock(conn, checked.campaign.id)
    return (
        found is not None
        and found.state is CampaignState.CHECKING
        and found.quote_hash == checked.campaign.quote_hash
        and progress.checked_line == checked.progress.checked_line
        # else another check has begun since, and has come as far
        and progress.tally == checked.progress.tally
    )


def _fail(rt: Runtime, checked: RowsToCheck, reason: str) -> None:
    with rt.begin() as conn:
        if _is_current(conn, checked):
            campaign_moves.move(conn, rt.now(), checked.campaign, CampaignState.FAILED, reason)


def _look_up(rt: Runtime, campaign: Campaign) -> _Known:
    owner = campaign.account_id
    with rt.read_only() as conn:
        now = rt.common_time(batches.clock(conn))
        money, quota = wallet_ledger.funds(conn, owner, now.date().replace(day=1))
        prices = wallet_ledger.books(conn, [owner], now).get(owner, [])
        routes = routing_snapshot.choices(conn, rt.snapshots, [owner], rt.unhealthy())[owner].table
    return _Known(now, prices, money, quota, routes)


def _price(
    rt: Runtime, checked: RowsToCheck, admission: Admission, known: _Known, quote: Quote
) -> list[tuple[int, str, str]]:
    """Add an admitted portion to the quote; return (line, verdict, what is wrong) of the rows that are refused."""
    owner, lines = checked.campaign.account_id, [row.line for row in checked.rows]
    payer = owner, known.now.date().replace(day=1)
    pricing = Pricing({owner: known.prices}, {payer: max(0, known.quota - quote.total.quota)})
    loads = list(pack([admission], rt.new_ids(), rt.now(), max(1, admission.recipients)))
    charges = charge_all(pricing, loads, {})
    quote.add(loads, charges, lines)
    quote.refuse(admission.refusals, lines)
    if not checked.campaign.test:
        _add_carrier_cost(checked.campaign, known.routes, loads, charges, quote)
    refused = [(each.index, str(each.code), each.message) for each in admission.refusals if each.index is not None]
    unpriced = _unpriced(loads, charges)
    return [(lines[index], verdict, fault) for index, verdict, fault in (*refused, *unpriced)]


def _unpriced(loads: Sequence[PackedBatch], charges: Sequence[Sequence[Charge]]) -> Iterator[tuple[int, str, str]]:
    for load, own in zip(loads, charges, strict=True):
        for (_, draft), charge in zip(load.members, own, strict=True):
            if charge.refusal:
                yield draft.index, str(charge.refusal), f"there is no price for {draft.country or 'the number'}"


def _add_carrier_cost(
    campaign: Campaign,
    routes: RouteTable,
    loads: Sequence[PackedBatch],
    charges: Sequence[Sequence[Charge]],
    quote: Quote,
) -> None:
    for load, own in zip(loads, charges, strict=True):
        for (_, draft), charge in zip(load.members, own, strict=True):
            if charge.refusal is None:
                encoding = charge.measure.encoding
                ask = RouteQuery(draft.phone, draft.country, campaign.sender, encoding)
                quote.carrier_cost.add(charge.measure.segments, routes.cost(ask, draft.carrier))
