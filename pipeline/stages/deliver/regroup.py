"""Failover at the end of a run: messages not accepted go to the next carrier, wait, are held, or fail."""

from collections import defaultdict
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.carriers import registry
from pipeline.errors import ConfigurationError
from pipeline.rules.routing import failover
from pipeline.rules.routing.failover import Chain, FailoverPlan, NextCarrier, Remainder
from pipeline.rules.routing.routes import TEST_CARRIER, RouteQuery
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver.portion_result import PortionResult
from pipeline.store import batch_claims, carriers, held_batches, messages, routing_snapshot
from pipeline.store.batch_claims import Claim
from pipeline.store.carriers import CarrierRow
from pipeline.store.messages import Undecided
from pipeline.store.routing_snapshot import RouteChoice
from pipeline.store.wallet_ledger import Moved
from pipeline.transitions import final_statuses, successor_batches
from pipeline.transitions.final_statuses import End
from pipeline.transitions.successor_batches import Successor, successor
from schema.message import Hint
from schema.vocabulary import CarrierState, Code, HoldReason, Outcome, ResendReason


def finish(
    rt: Runtime, conn: Connection, now: datetime, claims: Sequence[Claim], entry: PortionResult, *, clock: datetime
) -> tuple[list[Hint], list[Moved]]:
    """Close batches and regroup what their carrier did not accept; return batches to hint and money to release.

    `clock`: the database's time, by which batches are due and expire.
    """
    remainders, over = _remainders(conn, claims, entry.reached)
    these = [claim for claim in claims if claim.span.batch in remainders]
    choices = _choices(rt, conn, these)
    fit = _fit(rt, conn, these)
    plans = {}
    for claim in these:
        batch, choice = claim.span.batch, None if claim.test else choices[claim.account]
        plans[batch] = _plan(claim, remainders[batch], choice, entry.pauses, clock, fit)
    kept = {claim.span.batch for claim in these if _is_all_held(claim, plans[claim.span.batch])}
    batch_claims.finish(conn, [claim.span.batch for claim in claims if claim.span.batch not in kept])
    held_batches.keep(conn, sorted(kept))
    successors: list[Successor] = []
    ends: list[End] = []
    for claim in these:
        if claim.span.batch not in kept:
            plan, choice = plans[claim.span.batch], None if claim.test else choices[claim.account]
            successors += _successors(rt, conn, claim, plan, choice, clock)
            ends += [_end(claim, those, code) for code, those in plan.failed.items()]
    ends += (_end(claim, members, Code.CARRIER_REFUSED) for claim in claims if (members := over.get(claim.span.batch)))
    _lock_resent(conn, successors, ends)
    hints = successor_batches.write(conn, clock, rt.new_ids(), successors)
    return hints, final_statuses.end(conn, now, ends)


def _lock_resent(conn: Connection, successors: Sequence[Successor], ends: Sequence[End]) -> None:
    """Lock all resent messages in order of id: a receipt may settle them meanwhile, which locks in the same order."""
    going_on = (id_ for each in successors if each.batch.resend_reason for id_ in each.members)
    ending = (id_ for each in ends if each.resend_reason for id_ in each.ids)
    messages.lock_sent(conn, sorted((*going_on, *ending)))


def _choices(rt: Runtime, conn: Connection, claims: Sequence[Claim]) -> Mapping[int, RouteChoice]:
    """Return account → its current routes."""
    if not claims:
        return {}
    return routing_snapshot.choices(conn, rt.snapshots, {claim.account for claim in claims}, _unhealthy(rt, claims))


def _successors(
    rt: Runtime, conn: Connection, claim: Claim, plan: FailoverPlan, choice: RouteChoice | None, now: datetime
) -> Iterator[Successor]:
    """Yield the batches that follow a claim's, with the routing snapshot by which their carrier was chosen."""
    snapshot = routing_snapshot.keep(conn, rt.snapshots, choice) if choice else None
    for to, members in plan.next_carrier.items():
        # a retry at the same carrier in the same round is no new choice
        chosen_by = None if (to.carrier, to.round) == (claim.carrier, claim.round) else snapshot
        yield successor(claim, to, members, now, chosen_by)


#: resend reasons of messages that are held if no carrier may be used. Repetitions at the same carrier, and resends for
#: an unknown outcome or a missing receipt, are not held: a carrier may have them already
_MAY_BE_HELD = (None, ResendReason.UNDELIVERED)


def _fit(rt: Runtime, conn: Connection, claims: Sequence[Claim]) -> set[str] | None:
    """Return the usable carriers if the claims' own is not usable; else None: they are not needed."""
    those = [claim for claim in claims if not claim.test and claim.resend_reason in _MAY_BE_HELD]
    if not those or (all(each.kind is not None for each in those) and _fits(rt, those[0])):
        return None
    rows = [row for row in carriers.all_of(conn) if row.state is CarrierState.ACTIVE]
    return {row.name for row in rows if _makes(rt, row)}


def _fits(rt: Runtime, claim: Claim) -> bool:
    """Return whether the settings of the claim's carrier are valid."""
    try:
        return bool(claim.kind and rt.carrier(claim.carrier, claim.kind, claim.settings))
    except ConfigurationError:
        return False


def _makes(rt: Runtime, row: CarrierRow) -> bool:
    """Return whether a carrier's settings are valid, without connecting it."""
    try:
        registry.make(row.name, row.kind, row.settings, rt.settings.lease_seconds).close()
    except ConfigurationError:
        return False
    return True


def _is_all_held(claim: Claim, plan: FailoverPlan) -> bool:
    """Return whether all remaining messages of a batch are held, so that the batch itself can be kept."""
    whole = all(each.held and each.attempt == claim.attempt for each in plan.next_carrier)
    return bool(plan.next_carrier) and whole and not any(plan.failed.values())


def postpone(
    rt: Runtime,
    conn: Connection,
    now: datetime,
    claims: Sequence[Claim],
    pauses: Mapping[UUID, timedelta],
    *,
    clock: datetime,
) -> list[Moved]:
    """Move messages that the carrier asked to retry later out of batches that are given back, into waiting batches.

    Return the money to release of those that expire before that. `clock`: as in `finish`.
    """
    if not pauses:
        return []
    own: defaultdict[UUID, dict[UUID, timedelta]] = defaultdict(dict)
    for id_, holder in messages.batches_of(conn, list(pauses), None).items():
        own[holder][id_] = pauses[id_]
    successors: list[Successor] = []
    ends: list[End] = []
    for claim in (each for each in claims if each.span.batch in own):
        later, expired = failover.wait(_state(claim), own[claim.span.batch], clock)
        successors += [successor(claim, to, members, clock) for to, members in later.items()]
        ends.append(_end(claim, expired, Code.EXPIRED))
    _lock_resent(conn, successors, ends)
    successor_batches.write(conn, clock, rt.new_ids(), successors)
    return final_statuses.end(conn, now, ends)


def move_skipped(
    rt: Runtime,
    conn: Connection,
    claims: Sequence[Claim],
    apart: Mapping[UUID, Sequence[UUID]],
    now: datetime,
    held: HoldReason | None = None,
) -> list[Hint]:
    """Move messages that were skipped within their batches to new batches at the same carrier; return their hints.

    `held`: why they are held; None: they are not.
    """
    successors = [
        successor(claim, NextCarrier(claim.carrier, claim.attempt, claim.round, claim.tried, None, held), members, now)
        for claim in claims
        if (members := apart.get(claim.span.batch))
    ]
    return successor_batches.write(conn, now, rt.new_ids(), successors)


def _remainders(
    conn: Connection, claims: Sequence[Claim], reached: Mapping[UUID, UUID | None]
) -> tuple[dict[UUID, list[Remainder]], dict[UUID, list[UUID]]]:
    """Return by batch the messages its carrier did not accept, and the resent ones that it refused permanently."""
    remainders: defaultdict[UUID, list[Remainder]] = defaultdict(list)
    over: defaultdict[UUID, list[UUID]] = defaultdict(list)
    for each in messages.undecided(conn, [claim.span for claim in claims if not claim.resend_reason]):
        edge = reached[each.batch]
        remainders[each.batch].append(Remainder(each.id, _ask(each), edge is not None and each.id <= edge))
    for each in messages.untaken(conn, [claim.span for claim in claims if claim.resend_reason]):
        edge = reached[each.batch]
        if each.outcome is Outcome.REFUSED_PERMANENT:
            over[each.batch].append(each.id)
        elif each.outcome or edge is None or each.id > edge:  # the others were rejected at the claim
            remainders[each.batch].append(Remainder(each.id, _ask(each), each.outcome is not None))
    return remainders, over


def _unhealthy(rt: Runtime, claims: Sequence[Claim]) -> frozenset[str]:
    """Return the carriers whose breaker is open; empty if all claims are test messages."""
    return frozenset() if all(claim.test for claim in claims) else rt.unhealthy()


def _plan(
    claim: Claim,
    remainders: Sequence[Remainder],
    choice: RouteChoice | None,
    pauses: Mapping[UUID, timedelta],
    now: datetime,
    fit: set[str] | None,
) -> FailoverPlan:
    """Return the next carriers of the remainders. Those to be retried later stay at their carrier.

    Resends make no further round; those that only the same carrier may get again are not given to another.
    """
    state = _state(claim)
    chain: Chain = choice.table.chain if choice else _test_chain
    if choice and fit is not None and claim.resend_reason in _MAY_BE_HELD:
        # a resend makes no further round: carriers that were tried are excluded for good
        state = replace(state, is_fit=claim.carrier in fit)
        chain = _chain_of(choice, fit - set(claim.tried) if claim.resend_reason else fit)
    goes_on = (
        [] if claim.resend_reason is ResendReason.REPEAT else [each for each in remainders if each.id not in pauses]
    )
    plan = failover.plan(state, goes_on, chain, now)
    later, expired = failover.wait(state, {each.id: pauses[each.id] for each in remainders if each.id in pauses}, now)
    next_carrier, failed = plan.next_carrier | later, dict(plan.failed)
    if expired:
        failed[Code.EXPIRED] = failed.get(Code.EXPIRED, []) + expired
    plan = FailoverPlan(next_carrier, failed)
    return _in_one_round(plan, claim.round) if claim.resend_reason else plan


def _in_one_round(plan: FailoverPlan, number: int) -> FailoverPlan:
    """Return the plan with all messages of other rounds failed."""
    others = [id_ for to, members in plan.next_carrier.items() if to.round != number for id_ in members]
    failed = plan.failed | {Code.NO_CARRIER_LEFT: plan.failed.get(Code.NO_CARRIER_LEFT, []) + others}
    return FailoverPlan({to: ids for to, ids in plan.next_carrier.items() if to.round == number}, failed)


def _state(claim: Claim) -> failover.BatchProgress:
    return failover.BatchProgress(
        claim.message_class, claim.carrier, claim.attempt, claim.round, claim.tried, claim.valid_until
    )


def _end(claim: Claim, those: Sequence[UUID], code: Code) -> End:
    return End(those, code, claim.resend_reason, claim.subscribes)


def _chain_of(choice: RouteChoice, fit: Container[str]) -> Chain:
    return lambda ask: [carrier for carrier in choice.table.chain(ask) if carrier in fit]


def _test_chain(_ask: RouteQuery) -> list[str]:
    return [TEST_CARRIER]


def _ask(message: Undecided) -> RouteQuery:
    return RouteQuery(message.phone, message.country, message.sender, message.encoding)
