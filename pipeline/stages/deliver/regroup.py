"""The end of a trip: what the carrier did not take goes to the next, waits, is held, or has come to its end."""

import logging
from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.carriers import registry
from pipeline.errors import ConfigurationError
from pipeline.rules import failover, ids
from pipeline.rules.failover import Chain, Leftover, Onward, Plan
from pipeline.rules.routes import TEST_CARRIER, Ask
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver.entry import Entry, tell
from pipeline.store import batches, carriers, holds, leases, messages, situations
from pipeline.store.carriers import CarrierRow
from pipeline.store.leases import Claim
from pipeline.store.messages import Moved, Undecided
from pipeline.store.situations import Choice
from schema.message import Batch, Hint
from schema.vocabulary import Again, BatchStatus, CarrierState, Code, Money, Outcome, Status

log = logging.getLogger(__name__)


def finish(
    rt: Runtime, conn: Connection, claims: Sequence[Claim], entry: Entry, now: datetime
) -> tuple[list[Hint], list[Moved]]:
    """Close batches; regroup what their carrier did not take. Return the batches to hint and the money to give back."""
    leftovers, over = _leftovers(conn, claims, entry.reached)
    these = [claim for claim in claims if claim.span.batch in leftovers]
    choices = situations.choices(conn, rt.situations, {c.account for c in these}, _unwell(rt, these)) if these else {}
    fit = _fit(rt, conn, these)
    plans = {
        claim.span.batch: _plan(
            claim, leftovers[claim.span.batch], None if claim.test else choices[claim.account], entry.pauses, now, fit
        )
        for claim in these
    }
    kept = {claim.span.batch for claim in these if _stays(claim, plans[claim.span.batch])}
    leases.finish(conn, [claim.span.batch for claim in claims if claim.span.batch not in kept])
    holds.keep(conn, sorted(kept))
    made: list[Batch] = []
    released: list[Moved] = []
    first = rt.mint()
    for claim in these:
        if claim.span.batch in kept:
            continue
        plan, choice = plans[claim.span.batch], None if claim.test else choices[claim.account]
        situation = situations.keep(conn, rt.situations, choice) if choice else None
        for onward, members in plan.onward.items():
            batch = _onward(ids.after(first, len(made)), claim, onward, members, now, situation)
            messages.reassign(conn, members, batch.id, Status.SENT if claim.again else None)
            made.append(batch)
        for code, those in plan.failed.items():
            released += _end(rt, conn, claim, those, code, now)
    for claim in claims:
        released += _end(rt, conn, claim, over.get(claim.span.batch, ()), Code.CARRIER_REFUSED, now)
    if made:
        batches.write(conn, made, hinted_at=now)
    hinted = (b for b in made if b.status is BatchStatus.QUEUED and not b.held)
    return [Hint(b.id, b.message_class, b.carrier, b.size) for b in hinted], released


#: what is held where no carrier may be given it. What only the same carrier may have again, and what is in doubt or met
#: silence, is better where it was
_HELD_UP = (None, Again.UNDELIVERED)


def _fit(rt: Runtime, conn: Connection, claims: Sequence[Claim]) -> set[str] | None:
    """Return the carriers that may be given messages, where the claims' own may not; else None: nobody need ask."""
    those = [claim for claim in claims if not claim.test and claim.again in _HELD_UP]
    if not those or (all(each.kind is not None for each in those) and _fits(rt, those[0])):
        return None
    rows = [row for row in carriers.all_of(conn) if row.state is CarrierState.ACTIVE]
    return {row.name for row in rows if _makes(rt, row)}


def _fits(rt: Runtime, claim: Claim) -> bool:
    """Tell whether the claims' carrier is rightly set up."""
    try:
        return bool(claim.kind and rt.carrier(claim.carrier, claim.kind, claim.settings))
    except ConfigurationError:
        return False


def _makes(rt: Runtime, row: CarrierRow) -> bool:
    """Tell whether any carrier is rightly set up; nothing is connected."""
    try:
        registry.make(row.name, row.kind, row.settings, rt.settings.lease_seconds).close()
    except ConfigurationError:
        return False
    return True


def _stays(claim: Claim, plan: Plan) -> bool:
    """Tell whether all that is left of a batch is held as it is."""
    whole = all(each.held and each.attempt == claim.attempt for each in plan.onward)
    return bool(plan.onward) and whole and not any(plan.failed.values())


def put_aside(
    rt: Runtime, conn: Connection, claims: Sequence[Claim], pauses: Mapping[UUID, timedelta], now: datetime
) -> list[Moved]:
    """Take out of batches that are given back what their carrier wants later: their next worker knows nothing of that.

    Return the money to give back of those whose time is over by then.
    """
    if not pauses:
        return []
    own: defaultdict[UUID, dict[UUID, timedelta]] = defaultdict(dict)
    for id_, holder in messages.batches_of(conn, list(pauses), None).items():
        own[holder][id_] = pauses[id_]
    made: list[Batch] = []
    released: list[Moved] = []
    first = rt.mint()
    for claim in (each for each in claims if each.span.batch in own):
        later, expired = failover.stay(_stand(claim), own[claim.span.batch], now)
        for onward, members in later.items():
            batch = _onward(ids.after(first, len(made)), claim, onward, members, now, None)
            messages.reassign(conn, members, batch.id, Status.SENT if claim.again else None)
            made.append(batch)
        released += _end(rt, conn, claim, expired, Code.EXPIRED, now)
    if made:
        batches.write(conn, made, hinted_at=now)
    return released


def set_apart(
    rt: Runtime, conn: Connection, claims: Sequence[Claim], apart: Mapping[UUID, Sequence[UUID]], now: datetime
) -> list[Hint]:
    """Give messages that their batches passed over batches of their own, at the same carrier; return these."""
    made: list[Batch] = []
    first = rt.mint()
    for claim in claims:
        if members := apart.get(claim.span.batch):
            same = Onward(claim.carrier, claim.attempt, claim.round, claim.tried, None)
            batch = _onward(ids.after(first, len(made)), claim, same, members, now, None)
            messages.reassign(conn, members, batch.id, Status.SENT if claim.again else None)
            made.append(batch)
    if made:
        batches.write(conn, made, hinted_at=now)
    return [Hint(b.id, b.message_class, b.carrier, b.size) for b in made]


def park(rt: Runtime, conn: Connection, claims: Sequence[Claim], now: datetime) -> list[Moved]:
    """End what is left of batches that keep killing their workers; return the money to give back."""
    if not claims:
        return []
    left: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for each in messages.undecided(conn, [claim.span for claim in claims if not claim.again]):
        left[each.batch].append(each.id)
    for untaken in messages.untaken(conn, [claim.span for claim in claims if claim.again]):
        left[untaken.batch].append(untaken.id)
    released: list[Moved] = []
    for claim in claims:
        log.error("batch %s is put aside: it failed too often", claim.span.batch)
        released += _end(rt, conn, claim, left[claim.span.batch], Code.POISON, now)
    leases.finish(conn, [claim.span.batch for claim in claims])
    return released


def _leftovers(
    conn: Connection, claims: Sequence[Claim], reached: Mapping[UUID, UUID | None]
) -> tuple[dict[UUID, list[Leftover]], dict[UUID, list[UUID]]]:
    """Return, by batch, what its carrier did not take, and what was sent before and it will never take."""
    leftovers: defaultdict[UUID, list[Leftover]] = defaultdict(list)
    over: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for each in messages.undecided(conn, [claim.span for claim in claims if not claim.again]):
        edge = reached[each.batch]
        leftovers[each.batch].append(Leftover(each.id, _ask(each), edge is not None and each.id <= edge))
    for each in messages.untaken(conn, [claim.span for claim in claims if claim.again]):
        edge = reached[each.batch]
        if each.outcome is Outcome.REFUSED_PERMANENT:
            over[each.batch].append(each.id)
        elif each.outcome or edge is None or each.id > edge:  # the others were turned away at the gate
            leftovers[each.batch].append(Leftover(each.id, _ask(each), each.outcome is not None))
    return leftovers, over


def _unwell(rt: Runtime, claims: Sequence[Claim]) -> frozenset[str]:
    """Return the open breakers of all that the claims' messages could go to."""
    return frozenset() if all(claim.test for claim in claims) else rt.unwell()


def _plan(
    claim: Claim,
    leftovers: Sequence[Leftover],
    choice: Choice | None,
    pauses: Mapping[UUID, timedelta],
    now: datetime,
    fit: set[str] | None,
) -> Plan:
    """Return where the leftovers go. Those their carrier wants later go back to it; sent ones make no other round.

    Of those that only the same carrier may have again no other hears: they are in doubt as before.
    """
    stand = _stand(claim)
    chain: Chain = choice.table.chain if choice else _test_chain
    if choice and fit is not None and claim.again in _HELD_UP:
        # what was sent before makes no other round: whoever was tried is out for good
        stand = replace(stand, is_fit=claim.carrier in fit)
        chain = _chain_of(choice, fit - set(claim.tried) if claim.again else fit)
    goes_on = [] if claim.again is Again.REPEAT else [each for each in leftovers if each.id not in pauses]
    plan = failover.plan(stand, goes_on, chain, now)
    later, expired = failover.stay(stand, {each.id: pauses[each.id] for each in leftovers if each.id in pauses}, now)
    onward, failed = plan.onward | later, dict(plan.failed)
    if expired:
        failed[Code.EXPIRED] = failed.get(Code.EXPIRED, []) + expired
    if claim.again:
        rounds = [each for each in onward if each.round != claim.round]
        failed[Code.NO_CARRIER_LEFT] = failed.get(Code.NO_CARRIER_LEFT, []) + [
            id_ for each in rounds for id_ in onward.pop(each)
        ]
    return Plan(onward, failed)


def _stand(claim: Claim) -> failover.Stand:
    return failover.Stand(
        claim.message_class, claim.carrier, claim.attempt, claim.round, claim.tried, claim.valid_until
    )


def _end(rt: Runtime, conn: Connection, claim: Claim, those: Sequence[UUID], code: Code, now: datetime) -> list[Moved]:
    """End messages that no carrier is left for; return the money to give back.

    Of those that were sent before only the undeliverable have come to their end: the others' carrier may yet report.
    """
    if not claim.again:
        moved = messages.move(conn, those, Status.FAILED, Money.RELEASED, at=now, code=code)
    elif claim.again is Again.UNDELIVERED:
        moved = messages.end_doubt(conn, those, Money.RELEASED)
        those = sorted(messages.conclude(conn, those, Status.FAILED, Code.UNDELIVERED))
    else:
        return []
    if claim.subscribes:
        tell(rt, conn, those, Status.FAILED, now)
    return moved


def _chain_of(choice: Choice, fit: Container[str]) -> Chain:
    return lambda ask: [carrier for carrier in choice.table.chain(ask) if carrier in fit]


def _test_chain(_ask: Ask) -> list[str]:
    return [TEST_CARRIER]


def _ask(message: Undecided) -> Ask:
    return Ask(message.phone, message.country, message.sender, message.encoding)


def _onward(
    id_: UUID, claim: Claim, onward: Onward, members: Sequence[UUID], now: datetime, situation: int | None
) -> Batch:
    return Batch(
        id=id_,
        account=claim.account,
        message_class=claim.message_class,
        carrier=onward.carrier,
        test=claim.test,
        status=BatchStatus.WAITING if onward.due_at else BatchStatus.QUEUED,
        due_at=onward.due_at or (now + holds.LOOK if onward.held else now),
        valid_until=claim.valid_until,
        size=len(members),
        first=min(members),
        last=max(members),
        attempt=onward.attempt,
        round=onward.round,
        tried=() if onward.held and not claim.again else onward.tried,
        # no choice was made where its carrier only asked it to wait
        situation=None if (onward.carrier, onward.round) == (claim.carrier, claim.round) else situation,
        again=claim.again,
        held=onward.held,
    )
