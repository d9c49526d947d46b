"""Control of campaigns: start, pause, resume, abort, and a change of their speed.

Each call locks the campaign, so that of calls at the same time each finds what the one before it left. The trigger on
`campaigns` enters each change in the audit log.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from pipeline.errors import Conflict, InsufficientFunds, NotFound, require
from pipeline.rules.campaigns.operations import GATED, operator_reason, refusal
from pipeline.rules.campaigns.repetition import repetition_of
from pipeline.rules.money import currencies
from pipeline.runtime import Connection, Runtime, Work
from pipeline.store import batches, campaign_progress, campaign_series, campaigns, held_batches, routing_snapshot
from pipeline.transitions import campaign_canaries, campaign_moves, campaign_quotes
from schema.campaign import Campaign
from schema.vocabulary import CampaignState, PauseCause

#: batches held in one transaction
HELD_AT_ONCE = 500


def start(rt: Runtime, campaign: UUID) -> CampaignState:
    """Start an approved campaign; return its state: scheduled, if its send time is ahead, or running.

    If it is to hold its whole quote, it does so once it runs. NotFound; Conflict: it is not approved, its quote is too
    old or made of what has changed since (it becomes stale, to be checked again), or its validity has ended;
    InsufficientFunds: what it is to hold is more than the account may spend.
    """
    _draw_canary(rt, campaign)
    with _locked(rt, campaign, "start") as (conn, found):
        _require_series(conn, found)
        now = rt.common_time(batches.clock(conn))
        outdated = campaign_quotes.why_outdated(conn, found, now)
        to = CampaignState.STALE if outdated else _waits_or_runs(found, now)
        if not outdated:
            _begin_series(conn, found)
        _move(rt, conn, found, to, now, outdated)
    if outdated:  # committed: it is stale
        raise Conflict(f"campaign {found.name!r}: {outdated}: check and approve it again")
    return to


def pause(rt: Runtime, campaign: UUID, reason: str | None = None) -> CampaignState:
    """Pause a scheduled or running campaign: nothing of it is submitted to carriers any more; its validity runs on.

    NotFound; Conflict: it is neither scheduled nor running.
    """
    with _locked(rt, campaign, "pause") as (conn, found):
        campaign_moves.move(
            conn, rt.now(), found, CampaignState.PAUSED, operator_reason(reason), cause=PauseCause.PERSON
        )
    _hold_batches(rt, campaign)
    return CampaignState.PAUSED


def resume(rt: Runtime, campaign: UUID) -> CampaignState:
    """Let a paused campaign go on where it was; return its state: scheduled or running.

    If a gate had paused it, gates look at later messages only. NotFound; Conflict: it is not paused, or its validity
    has ended; InsufficientFunds: as of `start`, if it has never run.
    """
    with _locked(rt, campaign, "resume") as (conn, found):
        now = rt.common_time(batches.clock(conn))
        to = _waits_or_runs(found, now)
        if (found.reason or "").startswith(GATED):
            campaign_progress.gates_from(conn, campaign, now)
        _move(rt, conn, found, to, now)
    return to


def abort(rt: Runtime, campaign: UUID, reason: str | None = None) -> CampaignState:
    """End a campaign: rows that are no messages yet never become any, messages that no carrier has are cancelled.

    NotFound; Conflict: it has ended already.
    """
    with _locked(rt, campaign, "abort") as (conn, found):
        campaign_moves.move(conn, rt.now(), found, CampaignState.ABORTED, operator_reason(reason))
    return CampaignState.ABORTED


def limit(
    rt: Runtime, campaign: UUID, *, per_hour: int | None = None, segments_per_second: float | None = None
) -> Campaign:
    """Change the speed of a campaign that has started, in recipients an hour and segments a second; return it.

    0: no limit; None: unchanged. It counts from now. NotFound; InvalidInput; Conflict: it has not started, or ended.
    """
    given = {"per_hour": per_hour, "segments_per_second": segments_per_second}
    changes = {name: value or None for name, value in given.items() if value is not None}
    require(changes, "give recipients an hour, segments a second, or both")
    require(all(value is None or 0 < value < _FASTEST[name] for name, value in changes.items()), _TOO_FAST)
    with _locked(rt, campaign, "limit") as (conn, found):
        campaigns.update(conn, campaign, [found.state], changes)
        campaign_progress.pace_from(conn, campaign, rt.common_time(batches.clock(conn)))
        changed = campaigns.of(conn, campaign)
        assert changed
    return changed


_FASTEST = {"per_hour": 2**31, "segments_per_second": 1e6}
_TOO_FAST = "a limit is between 0 (none) and 2,147,483,647 recipients an hour, or a million segments a second"


@contextmanager
def _locked(rt: Runtime, campaign: UUID, operation: str) -> Iterator[tuple[Connection, Campaign]]:
    """Yield a transaction with the campaign locked in a state that allows the operation; NotFound, Conflict."""
    with rt.begin() as conn:
        found = campaigns.lock(conn, campaign)
        if found is None:
            raise NotFound(f"there is no campaign {str(campaign)!r}")
        if words := refusal(found.name, found.state, operation):
            raise Conflict(words)
        yield conn, found


def _waits_or_runs(campaign: Campaign, now: datetime) -> CampaignState:
    """Return the state of a campaign that is to be sent; Conflict: its validity has ended."""
    if campaign.valid_until and campaign.valid_until <= now:
        raise Conflict(f"the validity of campaign {campaign.name!r} has ended: it can only be aborted")
    return CampaignState.SCHEDULED if campaign.send_at and campaign.send_at > now else CampaignState.RUNNING


def _move(
    rt: Runtime, conn: Connection, campaign: Campaign, to: CampaignState, clock: datetime, reason: str | None = None
) -> None:
    """Schedule a locked campaign, let it run, or let its quote be stale; InsufficientFunds."""
    if to is not CampaignState.RUNNING:
        campaign_moves.move(conn, rt.now(), campaign, to, reason)
        return
    try:
        campaign_moves.run(conn, rt.now(), campaign, clock)
    except InsufficientFunds:
        held = currencies.spell(campaign.max_cost or 0, campaign.currency)
        words = f"campaign {campaign.name!r} is to hold {held} and its quota of segments when it begins"
        raise InsufficientFunds(f"{words}, which wallet and quota do not cover: top up, then repeat it") from None


def _require_series(conn: Connection, campaign: Campaign) -> None:
    """Raise Conflict for a campaign that the clock has made and not started before its series was ended."""
    first = campaigns.share(conn, campaign.series_id) if campaign.copies_from and campaign.series_id else None
    if first and first.repeat_ended is not None:
        raise Conflict(f"its series has ended: {first.repeat_ended}")


def _begin_series(conn: Connection, campaign: Campaign) -> None:
    """Set the time of the campaign that follows the first of a series."""
    if campaign.id == campaign.series_id and campaign.occurs_on and campaign.repeat_ended is None:
        following = next(repetition_of(campaign).after(campaign.occurs_on), None)
        campaign_series.set_next(conn, campaign.id, following.at if following else None)


def _hold_batches(rt: Runtime, campaign: UUID) -> None:
    """Hold what a paused campaign has open, so that it is not hinted in vain; a claim would hold it as well."""
    held = HELD_AT_ONCE
    while held == HELD_AT_ONCE:
        with rt.begin() as conn:
            held = held_batches.hold_campaign(conn, campaign, HELD_AT_ONCE)


def _draw_canary(rt: Runtime, campaign: UUID) -> None:
    """Draw the canary of an approved campaign; its rows cannot change any more, so each call draws the same."""
    with rt.begin(Work.COMMAND) as conn:
        found = campaigns.of(conn, campaign)
        if found and found.canary and found.state is CampaignState.APPROVED:
            owner = found.account_id
            routes = routing_snapshot.choices(conn, rt.snapshots, [owner], rt.unhealthy())[owner].table
            campaign_canaries.draw(conn, found, found.canary, routes)
