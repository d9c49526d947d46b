"""Campaigns that are paused or aborted during a delivery run: their batches are given back and held.

What of them was not submitted has no attempt and goes to no other carrier; it is sent when the campaign is resumed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.carriers.contract import STOPPED, MaySubmit
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver.portions import Portion
from pipeline.stages.deliver.regroup import move_skipped, postpone
from pipeline.store import batch_claims, held_batches
from pipeline.store.batch_claims import Claim
from pipeline.store.campaign_watch import CampaignWatch
from pipeline.store.wallet_ledger import Moved
from schema.carriage import Attempt
from schema.vocabulary import HoldReason, Outcome

#: batch → its messages that were not submitted, as its campaign was stopped during the carrier's call
Unsent = Mapping[UUID, Sequence[UUID]]


def guard(watch: CampaignWatch, portion: Portion) -> MaySubmit:
    """Return what the carrier asks before it submits a message of the portion, by its index.

    Once a campaign was stopped, no more of it is submitted in this call, even if it is resumed meanwhile.
    """
    campaigns = [claim.campaign for claim, _ in portion.members]
    stopped: set[UUID] = set()

    def may_submit(place: int) -> bool:
        campaign = campaigns[place]
        if campaign is None:
            return True
        if campaign not in stopped and watch.is_stopped(campaign):
            stopped.add(campaign)
        return campaign not in stopped

    return may_submit


def without_unsent(
    watch: CampaignWatch, sent: Portion, answers: Sequence[Attempt]
) -> tuple[Portion, Sequence[Attempt], Unsent]:
    """Return the members of a portion that were tried, with their attempts, and those that a stop left unsent.

    The latter include messages of a stopped campaign that the carrier could not submit for a reason of its own.
    """
    unsent: defaultdict[UUID, list[UUID]] = defaultdict(list)
    tried: list[int] = []
    for place, ((claim, parcel), answer) in enumerate(zip(sent.members, answers, strict=True)):
        if answer.outcome is Outcome.NOT_WRITTEN and _is_stopped(watch, claim, answer):
            unsent[claim.span.batch].append(parcel.ref)
        else:
            tried.append(place)
    if not unsent:
        return sent, answers, {}
    return Portion([sent.members[place] for place in tried]), [answers[place] for place in tried], unsent


def _is_stopped(watch: CampaignWatch, claim: Claim, answer: Attempt) -> bool:
    return answer.code == STOPPED or (claim.campaign is not None and watch.is_stopped(claim.campaign))


def give_back(
    rt: Runtime,
    conn: Connection,
    now: datetime,
    claims: Sequence[Claim],
    reached: Mapping[UUID, UUID | None],
    pauses: Mapping[UUID, timedelta],
    unsent: Unsent,
    *,
    clock: datetime,
) -> list[Moved]:
    """Give batches of stopped campaigns back, held until they are resumed; return the money to release.

    Messages that were skipped, though later ones of their batches were tried, get a batch of their own, held likewise.
    `reached`, `pauses`: as in `PortionResult`; `clock`: the database's time.
    """
    skipped = {
        batch: [ref for ref in refs if ref < edge]
        for batch, refs in unsent.items()
        if (edge := reached.get(batch)) is not None
    }
    batches = [claim.span.batch for claim in claims]
    released = postpone(rt, conn, now, claims, pauses, clock=clock)
    move_skipped(rt, conn, claims, skipped, clock, held=HoldReason.CAMPAIGN)
    batch_claims.give_back(conn, batches)
    held_batches.hold(conn, batches, HoldReason.CAMPAIGN)
    return released
