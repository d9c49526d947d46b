"""Wiring of campaigns: which stage passes what to which, for the check and the expansion of their rows, and the clock.

    by the clock   create_next, advance → sms.campaign.check, sms.campaign.expand, sms.campaign.prepare
    expand         gates → next_portion → admit → write → deliver, portion by portion

Functions take the runtime and return what is to be published, as in `workers.wiring`. A hint that is lost is published
again by the clock; of two that run at the same time one finds the campaign's cursor moved.
"""

import time
from collections.abc import Iterator
from uuid import UUID

from pipeline.dialects.registry import capacities
from pipeline.errors import Conflict, InsufficientFunds
from pipeline.runtime import Runtime
from pipeline.stages.admit import admit
from pipeline.stages.campaigns import control
from pipeline.stages.campaigns.advance import advance
from pipeline.stages.campaigns.end_batches import end_batches
from pipeline.stages.campaigns.expand import ExpansionResult, next_portion, write
from pipeline.stages.campaigns.gates import keep_gates
from pipeline.stages.campaigns.occurrences import NextStep, give_up, prepare
from pipeline.stages.campaigns.series import create_next
from workers.campaign_checking import check_portion
from workers.task_calls import TaskCall, check_call, deliver_calls, expand_call, prepare_call

#: portions that one task expands, and seconds after which it begins no more of them
_PORTIONS, _SECONDS = 10, 2.0


def advance_campaigns(rt: Runtime) -> list[TaskCall]:
    """Begin, expire and finish campaigns, create the next ones of series; return the calls that work on their rows."""
    create_next(rt)
    found = advance(rt)
    return [*map(check_call, found.check), *map(expand_call, found.expand), *map(prepare_call, found.prepare)]


def prepare_campaign(rt: Runtime, campaign: UUID) -> list[TaskCall]:
    """Copy the rows of a campaign that is created in a series, approve and start it; return the call that goes on."""
    until = time.monotonic() + _SECONDS
    while (step := prepare(rt, campaign)) is not NextStep.NONE:
        if step is NextStep.START:
            try:
                control.start(rt, campaign)
            except (Conflict, InsufficientFunds) as error:  # outdated: it is checked again
                give_up(rt, campaign, str(error))
        if time.monotonic() > until or rt.is_stopping():
            return [prepare_call(campaign)]
    return []


def check_campaign(rt: Runtime, campaign: UUID) -> list[TaskCall]:
    """Check the next rows of a campaign; return the call that goes on, if there is more to check."""
    until = time.monotonic() + _SECONDS
    while check_portion(rt, campaign):
        if time.monotonic() > until or rt.is_stopping():
            return [check_call(campaign)]
    return []


def expand_campaign(rt: Runtime, campaign: UUID) -> Iterator[TaskCall]:
    """Make messages of the next rows of a campaign; yield the calls that deliver them, each portion after its commit.

    If there are more that may be sent now, the last call goes on with them.
    """
    if not keep_gates(rt, campaign):
        return
    until = time.monotonic() + _SECONDS
    for _ in range(_PORTIONS):
        written = expand_portion(rt, campaign)
        if written is None:
            return
        yield from deliver_calls(rt, written.hints)
        if not written.is_written:
            return
        if time.monotonic() > until or rt.is_stopping():
            break
    yield expand_call(campaign)


def expand_portion(rt: Runtime, campaign: UUID) -> ExpansionResult | None:
    """Make messages of the next portion of a campaign's rows; None: there is none now."""
    portion = next_portion(rt, campaign)
    if portion is None or (portion.ends_canary and not keep_gates(rt, campaign)):
        return None
    order = portion.order
    [admission] = admit(rt, [(portion.request, order)]) if order else [None]
    return write(rt, portion, admission, capacities=capacities())


def abort(rt: Runtime, campaign: UUID, reason: str | None = None) -> int:
    """Abort a campaign and end its batches that no worker has claimed; return how many. NotFound, Conflict."""
    control.abort(rt, campaign, reason)
    return end_batches(rt, campaign)
