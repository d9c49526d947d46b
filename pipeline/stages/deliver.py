"""Deliver: carry claimed batches to their carrier, portion by portion, each marked before a byte of it goes out."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pipeline.carriers.contract import Carrier
from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.rules import failover, ids, rehearsal
from pipeline.rules.routes import TEST_CARRIER, RouteTable
from pipeline.runtime import Connection, Runtime
from pipeline.store import attempts, batches, carriers, events, leases, ledger, messages, receipts
from pipeline.store.attempts import Trial
from pipeline.store.leases import Claim, Stand, Step
from pipeline.store.messages import Moved
from schema.carriage import Attempt, Parcel, Receipt
from schema.message import Batch, Hint
from schema.vocabulary import BatchStatus, Code, Money, Outcome, Status, Verdict

log = logging.getLogger(__name__)

#: seconds before what a carrier answered is written again, doubled each time up to the last
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: of the lease: one third is the carrier's call's, until here a write is tried again, the last third is to spare
_TRIED_FOR = 2 / 3
#: what an outcome makes of its message; the two others leave it to another carrier
_MOVES = {
    Outcome.ACCEPTED: (Status.SENT, Money.CAPTURED, None),
    Outcome.UNKNOWN: (Status.SENT, Money.HELD, None),
    Outcome.REFUSED_PERMANENT: (Status.FAILED, Money.RELEASED, Code.CARRIER_REFUSED),
}


def deliver(rt: Runtime, wanted: Sequence[UUID]) -> list[Hint]:
    """Send what these queued batches of one carrier still hold; return the batches other carriers should take up."""
    with rt.begin() as conn:
        claims = leases.claim(conn, wanted, rt.settings.lease_seconds)
        trip = _set_out(rt, conn, claims, leases.parcels(conn, claims)) if claims else None
    return _carry(rt, trip) if trip else []


@dataclass(frozen=True, slots=True)
class _Portion:
    """Parcels that are in doubt together, each with its claim."""

    members: list[tuple[Claim, Parcel]]

    def last(self) -> dict[UUID, UUID]:
        """Return batch → the last of its messages in here."""
        return {claim.span.batch: parcel.ref for claim, parcel in self.members}

    def of(self, known: set[UUID]) -> "_Portion":
        """Return only the members of the known batches."""
        return _Portion([member for member in self.members if member[0].span.batch in known])


@dataclass(frozen=True, slots=True)
class _Trip:
    """Claimed batches of one carrier, their first portion marked."""

    claims: Sequence[Claim]
    first: _Portion
    rest: Iterator[_Portion]
    stand: Stand


_NOTHING = _Portion([])


@dataclass(frozen=True, slots=True)
class _Entry:
    """What one commit writes: what became of the portion that went out, and the mark of the one that goes next."""

    sent: _Portion
    outcomes: Sequence[Attempt]
    marked_at: datetime
    #: batch → how far its messages were tried
    reached: Mapping[UUID, UUID | None]
    #: None: the trip ends here
    following: _Portion | None
    #: batches that are given back, the rest of them unsent
    left: set[UUID]

    def trials(self) -> list[Trial]:
        """Return the outcomes with their places."""
        return [
            Trial(outcome, claim.attempt, claim.carrier, claim.span.batch, claim.fence)
            for (claim, _), outcome in zip(self.sent.members, self.outcomes, strict=True)
        ]


def _set_out(rt: Runtime, conn: Connection, claims: Sequence[Claim], loads: dict[UUID, list[Parcel]]) -> _Trip:
    portions = _cut([claim for claim in claims if _may_be_asked(claim)], loads, rt.settings.portion_size)
    first = next(portions, _NOTHING)
    stand = leases.advance(conn, _steps(claims, _NOTHING, first), rt.settings.lease_seconds)
    return _Trip(claims, first, portions, stand)


def _carry(rt: Runtime, trip: _Trip) -> list[Hint]:
    """Send a trip's portions; each commit records the one that went out and marks the next.

    The carrier is made after the claim's commit: an adapter that kills its process is counted. A process that is told
    to stop sends what is marked and gives the rest back.
    """
    carrier = _carrier(rt, trip.first.members[0][0]) if trip.first.members else None
    reached = {claim.span.batch: claim.recorded for claim in trip.claims}
    portion, stand = trip.first, trip.stand
    while True:
        until = time.monotonic() + rt.settings.lease_seconds * _TRIED_FOR
        sent, marked_at = portion.of(stand.open) if carrier else _NOTHING, stand.at or rt.now()
        outcomes = _send(carrier, [parcel for _, parcel in sent.members])
        reached |= sent.last()
        following = next(trip.rest, None) if carrier and not rt.is_stopping() else None
        unsent = trip.rest if carrier and following is None else ()
        left = {claim.span.batch for each in unsent for claim, _ in each.members}
        entry = _Entry(sent, outcomes, marked_at, reached, following, left)
        stand, hints = _put_down(rt, trip.claims, entry, until)
        if following is None:
            return hints
        portion = following


def _put_down(rt: Runtime, claims: Sequence[Claim], entry: _Entry, until: float) -> tuple[Stand, list[Hint]]:
    """Commit an entry; a database that is away for a moment is tried again, until that moment at the latest.

    A commit whose answer was lost may have gone through: once `advance` has its rows, its attempts are there then.
    """
    steps, pause, again = _steps(claims, entry.sent, entry.following), _PAUSE, False
    hints: list[Hint] = []
    while True:
        try:
            with rt.begin() as conn:
                stand = leases.advance(conn, steps, rt.settings.lease_seconds)
                if not (again and attempts.are_in(conn, entry.trials())):
                    hints = _write(rt, conn, claims, entry, stand)
            return stand, hints
        except DatabaseFault as fault:
            if fault.is_final or time.monotonic() + pause > until:
                raise
            log.warning("what a carrier answered is not written yet: %s", fault)
        time.sleep(pause)
        pause, again = min(2 * pause, _LONGEST_PAUSE), True


def _write(rt: Runtime, conn: Connection, claims: Sequence[Claim], entry: _Entry, stand: Stand) -> list[Hint]:
    """Write an entry, and the end of the trip with the last; return the batches to hint."""
    released = _record(rt, conn, entry, stand)
    if entry.following is not None:
        ledger.release(conn, released)
        return []
    over = [claim for claim in claims if claim.span.batch in stand.ours - entry.left]
    hints, failed = _finish(rt, conn, over, entry.reached, stand.at or entry.marked_at)
    hints += leases.requeue(conn, sorted(stand.ours & entry.left)) if entry.left else []
    ledger.release(conn, released + failed)
    return hints


def _may_be_asked(claim: Claim) -> bool:
    """Tell whether the claim's carrier may have it now (`Claim.kind`). A test message never meets a real one."""
    return claim.kind is not None and (claim.carrier == TEST_CARRIER or not claim.test)


def _carrier(rt: Runtime, claim: Claim) -> Carrier | None:
    """Return the claim's carrier, or None when it is wrongly set up: its routes' next is asked then."""
    try:
        return rt.carrier(claim.carrier, claim.kind, claim.settings) if claim.kind else None
    except ConfigurationError as error:
        log.error("%s", error)
        return None


def _cut(claims: Sequence[Claim], loads: dict[UUID, list[Parcel]], size: int) -> Iterator[_Portion]:
    members = [(claim, parcel) for claim in claims for parcel in loads[claim.span.batch]]
    for start in range(0, len(members), size):
        yield _Portion(members[start : start + size])


def _steps(claims: Sequence[Claim], sent: _Portion, portion: _Portion | None) -> list[Step]:
    recorded, marked = sent.last(), portion.last() if portion else {}
    return [
        Step(claim.span.batch, claim.fence, recorded.get(claim.span.batch), marked.get(claim.span.batch))
        for claim in claims
    ]


def _send(carrier: Carrier | None, parcels: Sequence[Parcel]) -> list[Attempt]:
    """Send, and take whatever is not an answer for unknown: bytes may have gone out."""
    if carrier is None or not parcels:
        return []
    try:
        outcomes = carrier.send(parcels)
        if [each.ref for each in outcomes] == [each.ref for each in parcels]:
            return outcomes
        log.error("carrier %s: its answers are not those of its parcels", carrier.name)
    except Exception as error:  # noqa: BLE001 - an adapter's fault must not lose what its carrier may have taken
        log.error("carrier %s: its adapter failed with %s", carrier.name, type(error).__name__)
    return [Attempt(each.ref, Outcome.UNKNOWN, code="adapter_fault") for each in parcels]


def _record(rt: Runtime, conn: Connection, entry: _Entry, stand: Stand) -> list[Moved]:
    """Write what became of a portion: attempts, statuses, events, earnings; return what is to be given back.

    Of batches that are no longer ours only `late_*` is kept.
    """
    trials, at = entry.trials(), entry.marked_at
    attempts.keep_late(conn, [trial for trial in trials if trial.batch not in stand.ours])
    ours = [trial for trial in trials if trial.batch in stand.ours]
    attempts.write(conn, ours, at)
    subscribed = {claim.span.batch for claim, _ in entry.sent.members if claim.subscribes}
    released: list[Moved] = []
    for outcome, (status, money, code) in _MOVES.items():
        these = [trial for trial in ours if trial.attempt.outcome is outcome]
        moved = messages.move(conn, [each.attempt.ref for each in these], status, money, at=at, code=code)
        _tell(rt, conn, [each.attempt.ref for each in these if each.batch in subscribed], status, at)
        if money is Money.CAPTURED:
            ledger.capture(conn, moved)
        else:
            released += moved
    _rehearse(rt, conn, entry, {trial.attempt.ref for trial in ours if trial.attempt.outcome is Outcome.ACCEPTED})
    return released


def _rehearse(rt: Runtime, conn: Connection, entry: _Entry, accepted: set[UUID]) -> None:
    """Keep the receipts that nobody will send of test messages; their numbers say when each comes."""
    played = [parcel for claim, parcel in entry.sent.members if claim.test and parcel.ref in accepted]
    reports = [
        Receipt(TEST_CARRIER, str(each.ref), Verdict.DELIVERED, None, each.ref, code=None, at=None, raw="")
        for each in played
    ]
    receipts.keep(conn, rt.mint(), reports, {str(each.ref): rehearsal.delay(each.to) for each in played})


def _tell(rt: Runtime, conn: Connection, moved: Sequence[UUID], status: Status, at: datetime) -> None:
    events.tell_all(conn, rt.mint(), moved, status, at)


def _finish(
    rt: Runtime, conn: Connection, claims: Sequence[Claim], reached: Mapping[UUID, UUID | None], now: datetime
) -> tuple[list[Hint], list[Moved]]:
    """Close batches; regroup what their carrier did not take. Return the batches to hint and the money to give back."""
    leftovers: defaultdict[UUID, list[failover.Leftover]] = defaultdict(list)
    for each in messages.undecided(conn, [claim.span for claim in claims]):
        edge = reached[each.batch]
        attempted = edge is not None and each.id <= edge
        leftovers[each.batch].append(failover.Leftover(each.id, each.phone, each.country, attempted))
    leases.finish(conn, [claim.span.batch for claim in claims])
    return (
        _regroup(rt, conn, [c for c in claims if c.span.batch in leftovers], leftovers, now) if leftovers else ([], [])
    )


def _regroup(
    rt: Runtime,
    conn: Connection,
    claims: Sequence[Claim],
    leftovers: dict[UUID, list[failover.Leftover]],
    now: datetime,
) -> tuple[list[Hint], list[Moved]]:
    routes = carriers.routes(conn, {claim.account for claim in claims})
    tables = {account: RouteTable(lines) for account, lines in routes.items()}
    made: list[Batch] = []
    failed: defaultdict[Code, list[UUID]] = defaultdict(list)
    first = rt.mint()
    for claim in claims:
        chain = _test_chain if claim.test else tables.get(claim.account, RouteTable([])).chain
        stand = failover.Stand(
            claim.message_class, claim.carrier, claim.attempt, claim.round, claim.tried, claim.valid_until
        )
        plan = failover.plan(stand, leftovers[claim.span.batch], chain, now)
        for code, those in plan.failed.items():
            failed[code] += those
        for onward, members in plan.onward.items():
            batch = _onward(ids.after(first, len(made)), claim, onward, members, now)
            messages.reassign(conn, members, batch.id)
            made.append(batch)
    if made:
        batches.write(conn, made, hinted_at=now)
    released: list[Moved] = []
    for code, those in failed.items():
        released += messages.move(conn, those, Status.FAILED, Money.RELEASED, at=now, code=code)
        if any(claim.subscribes for claim in claims):
            _tell(rt, conn, those, Status.FAILED, now)
    return [Hint(b.id, b.message_class, b.carrier, b.size) for b in made if b.status is BatchStatus.QUEUED], released


def _test_chain(_phone: str, _country: str, _draw: float) -> list[str]:
    return [TEST_CARRIER]


def _onward(id_: UUID, claim: Claim, onward: failover.Onward, members: Sequence[UUID], now: datetime) -> Batch:
    return Batch(
        id=id_,
        account=claim.account,
        message_class=claim.message_class,
        carrier=onward.carrier,
        test=claim.test,
        status=BatchStatus.WAITING if onward.due_at else BatchStatus.QUEUED,
        due_at=onward.due_at or now,
        valid_until=claim.valid_until,
        size=len(members),
        first=min(members),
        last=max(members),
        attempt=onward.attempt,
        round=onward.round,
        tried=onward.tried,
    )
