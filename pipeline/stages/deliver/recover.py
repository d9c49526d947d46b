"""Crash recovery: settle the batches of a killed process of this host from its journal.

Answers of carriers are recorded as the process would have done; messages submitted without an answer are unknown; those
not submitted are queued at once. A process that is only suspended keeps the lock of its journal, and its batches.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pipeline.journal import IN_DOUBT, NOT_WRITTEN, DeadJournal, Entries, State, dead
from pipeline.rules.routing import outcomes
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver.portion_result import PortionResult, record
from pipeline.stages.deliver.portions import NOTHING, Portion
from pipeline.stages.deliver.regroup import move_skipped, postpone
from pipeline.store import batch_claims, batches, lost_batches, message_parts, wallet_ledger
from pipeline.store.batch_claims import Claim, LeaseState
from pipeline.store.lost_batches import DeadWorkersBatch, Settled
from pipeline.store.wallet_ledger import Moved
from pipeline.transitions import poison_batches
from schema.carriage import Attempt, Parcel
from schema.message import Hint
from schema.vocabulary import Outcome

log = logging.getLogger(__name__)

#: batches settled in one transaction
_PORTION = 100
#: seconds beyond a lease for which a dead process's journal is kept: its last commit may still be in progress
_KEPT = 60.0


def recover(rt: Runtime) -> list[Hint]:
    """Settle the batches that dead processes of this host held; return the batches to deliver."""
    found: list[Hint] = []
    for journal in dead(rt.journals):
        hints = _settle(rt, journal)
        if hints is None:
            if journal.is_new:
                _note_late(rt, journal.entries())
            journal.retire(rt.settings.lease_seconds + _KEPT)
        else:
            found += hints
    return found


def _settle(rt: Runtime, journal: DeadJournal) -> list[Hint] | None:
    """Settle the batches of one journal; return the batches to hint, or None if its process holds none."""
    entries: Entries | None = None
    found: list[Hint] = []
    while True:
        with rt.begin() as conn:
            held = lost_batches.held(conn, journal.id, _PORTION)
            if not held:
                return found if entries is not None else None
            entries = journal.entries() if entries is None else entries
            loads = batch_claims.parcels(conn, [each.claim for each in held if each.in_hand])
            account = _account(held, entries, loads)
            found += _write(rt, conn, held, account)
        log.warning(
            "settled by the journal of a dead process: batches %d, answers recorded %d, in doubt %d, sent on %d",
            len(held),
            account.answered,
            len(account.members) - account.answered,
            account.unsent,
        )


def _note_late(rt: Runtime, entries: Entries) -> None:
    """Record as late answers what a dead process knew of messages that became unknown when its lease expired."""
    known = [
        (batch, fence, Attempt(ref, Outcome.NOT_WRITTEN) if state is NOT_WRITTEN else state)
        for (batch, fence), states in entries.states.items()
        for ref, state in states.items()
        if state is not IN_DOUBT and not (isinstance(state, Attempt) and state.outcome is Outcome.UNKNOWN)
    ]
    if known:
        with rt.begin() as conn:
            message_parts.write(conn, lost_batches.note_late(conn, known))


@dataclass(slots=True)
class _Account:
    """The contents of a journal, by batches that were being sent."""

    members: list[tuple[Claim, Parcel]] = field(default_factory=list)
    #: the attempt of each member
    attempts: list[Attempt] = field(default_factory=list)
    #: batch → the last of its messages that was submitted
    reached: dict[UUID, UUID] = field(default_factory=dict)
    #: messages that were not submitted, though later ones of their batches were
    passed: dict[UUID, list[UUID]] = field(default_factory=dict)
    #: batches that made progress (an answer), or only waited for others (nothing submitted yet)
    moved: set[UUID] = field(default_factory=set)
    answered: int = 0
    unsent: int = 0


def _account(held: list[DeadWorkersBatch], entries: Entries, loads: Mapping[UUID, list[Parcel]]) -> _Account:
    """Classify the messages that were marked and not recorded, by their state in the journal."""
    account = _Account()
    for each in held:
        batch = each.claim.span.batch
        claimed = (batch, each.claim.fence)
        known = entries.states.get(claimed, {})
        unsent: list[UUID] = []
        for parcel in loads.get(batch, ()):
            if each.marked is None or parcel.ref > each.marked:
                break
            state = known.get(parcel.ref)
            if state is NOT_WRITTEN:
                unsent.append(parcel.ref)
            else:
                _add(account, each.claim, parcel, state)
        account.unsent += len(unsent)
        if last := account.reached.get(batch):
            account.passed[batch] = [ref for ref in unsent if ref < last]
        elif claimed in entries.ready:
            account.moved.add(batch)
    return account


def _add(account: _Account, claim: Claim, parcel: Parcel, state: State | None) -> None:
    """Add a message that was submitted, or may have been: with the carrier's answer, or else as unknown."""
    if isinstance(state, Attempt):
        account.answered += 1
        account.moved.add(claim.span.batch)
    else:
        state = Attempt(parcel.ref, Outcome.UNKNOWN, code="worker_lost")
    account.members.append((claim, parcel))
    account.attempts.append(state)
    account.reached[claim.span.batch] = parcel.ref


def _write(rt: Runtime, conn: Connection, held: list[DeadWorkersBatch], account: _Account) -> list[Hint]:
    """Write the batches' results as their worker would have, and park poison batches; return the batches to hint."""
    now, clock = rt.now(), batches.clock(conn)
    claims = [each.claim for each in held]
    ours = {claim.span.batch for claim in claims}
    at: datetime = max((each.marked_at for each in held if each.in_hand and each.marked_at), default=clock)
    pauses = {
        attempt.ref: pause
        for (claim, _), attempt in zip(account.members, account.attempts, strict=True)
        if (pause := outcomes.pause(attempt, claim.attempt))
    }
    entry = PortionResult(Portion(account.members), account.attempts, at, at, {}, pauses, NOTHING, True, ours)
    released = record(rt, conn, entry, LeaseState(ours, set(), at))
    released += postpone(rt, conn, now, claims, pauses, clock=clock)
    hints = move_skipped(rt, conn, claims, account.passed, clock)
    released += _requeue(rt, conn, held, account, hints, now)
    wallet_ledger.release(conn, released, now)
    return hints


def _requeue(
    rt: Runtime, conn: Connection, held: list[DeadWorkersBatch], account: _Account, hints: list[Hint], now: datetime
) -> list[Moved]:
    """Requeue batches, adding them to `hints`; those that killed several workers without progress rest, or are parked.

    Return the money to release.
    """
    stuck = [each for each in held if each.in_hand and each.claim.span.batch not in account.moved]
    poison = [each for each in stuck if each.claims >= rt.settings.poison_claims]
    resting = [each for each in stuck if each.claims == rt.settings.poison_claims - 1]
    released = poison_batches.park(conn, now, [each.claim for each in poison])
    lost_batches.rest(conn, [_settled(each, account) for each in resting], rt.settings.lease_seconds)
    others = [each for each in held if each not in poison and each not in resting]
    hints += lost_batches.reopen(conn, [_settled(each, account) for each in others])
    return released


def _settled(held: DeadWorkersBatch, account: _Account) -> Settled:
    batch = held.claim.span.batch
    return Settled(batch, account.reached.get(batch), batch in account.moved or not held.in_hand)
