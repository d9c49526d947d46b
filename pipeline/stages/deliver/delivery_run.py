"""One trip to a carrier: claim, and then send, record and mark by turns until nothing is left."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from uuid import UUID

from pipeline.carriers.contract import Carrier, NotingCarrier, SubmitNotes
from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.rules.routing import outcomes, pacing
from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver.journal_pages import Pages
from pipeline.stages.deliver.portion_result import PortionResult, record
from pipeline.stages.deliver.portions import NOTHING, Portion, cut, in_turn, steps
from pipeline.stages.deliver.regroup import finish, put_aside
from pipeline.store import attempts, leases, ledger
from pipeline.store.api import rate_limits
from pipeline.store.api.rate_limits import LimitTake
from pipeline.store.health import Breaker
from pipeline.store.leases import Claim, LeaseState
from pipeline.transitions import claim_rejections
from schema.carriage import Attempt, Parcel
from schema.message import Hint
from schema.vocabulary import Outcome

log = logging.getLogger(__name__)

_TAKEN = Outcome.ACCEPTED
#: seconds before what a carrier answered is written again, doubled each time up to the last
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: of the lease: one third is the carrier's call's, until here a write is tried again, the last third is to spare
_TRIED_FOR = 2 / 3


def deliver(rt: Runtime, wanted: Sequence[UUID]) -> list[Hint]:
    """Send what these queued batches of one carrier still hold; return the batches other carriers should take up.

    Where the carrier has a limit, the hinted batches wait until their accounts' turn has come (`leases.claim`).
    """
    with rt.begin() as conn:
        claims = leases.claim(conn, wanted, rt.settings.lease_seconds, rt.journal.id if rt.journal else None)
        run = _set_out(rt, conn, claims) if claims else None
    if run is None:
        return []
    try:
        return _carry(rt, run)
    finally:
        run.pages.leave()


@dataclass(slots=True)
class _Run:
    """Claimed batches of one carrier, and how far they have come."""

    claims: Sequence[Claim]
    #: marked, unless it waits for its turn
    portion: Portion
    rest: Iterator[Portion]
    state: LeaseState
    #: segments a second; None: as fast as the carrier answers
    pace: float | None
    #: batch → how far its messages were tried
    reached: dict[UUID, UUID | None]
    #: where its portions are noted
    pages: Pages = field(default_factory=Pages)
    #: messages that the carrier wants later, and after how long
    pauses: dict[UUID, timedelta] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)

    @property
    def lead(self) -> Claim:
        """Return a claim that names the carrier for all of them."""
        return self.portion.members[0][0] if self.portion.members else self.claims[0]


def _set_out(rt: Runtime, conn: Connection, claims: Sequence[Claim]) -> _Run:
    """Turn away what may not go any more and mark the first portion; at a carrier with a limit it must wait first.

    It is in the journal before it is marked: what the journal does not know of a marked message is in doubt.
    """
    parcels = leases.parcels(conn, claims)
    loads = claim_rejections.let_through(conn, rt.now(), rt.new_ids(), claims, parcels)
    asked = [claim for claim in claims if _may_be_asked(claim)]
    pace = asked[0].pace if asked else None
    if pace is None:
        portions = cut(asked, loads, rt.settings.portion_size)
    else:
        portions = in_turn(asked, loads, rt.settings.portion_size, pacing.at_once(pace))
    first = next(portions, NOTHING)
    marked = NOTHING if pace else first
    pages = Pages(rt.journal)
    pages.open(first)
    pages.turn()
    state = leases.advance(conn, steps(claims, NOTHING, marked), rt.settings.lease_seconds)
    reached = {claim.span.batch: claim.recorded for claim in claims}
    return _Run(claims, first, portions, state, pace, reached, pages)


def _carry(rt: Runtime, run: _Run) -> list[Hint]:
    """Send a trip's portions; each commit records the one that went out and marks the next.

    The carrier is made after the claim's commit: an adapter that kills its process is counted. A process that is told
    to stop, and one whose turn is over, sends what is marked and gives the rest back; what a carrier leaves undone
    whose breaker opens goes to the next.
    """
    carrier, is_probe = _asked(rt, run)
    if carrier and is_probe:
        _set_probe_apart(run)
    if carrier and run.pace:
        run.state = _wait(rt, run, run.portion)
    while True:
        until = time.monotonic() + rt.settings.lease_seconds * _TRIED_FOR
        sent = run.portion.of(run.state.open) if carrier else NOTHING
        answers = _send(carrier, [parcel for _, parcel in sent.members], run.pages.notes(run.portion, sent))
        goes_on = _noted(rt, run, sent, answers, at_once=is_probe) and carrier is not None
        following, left = _following(rt, run) if goes_on else (None, set())
        waits, marked = _marked(rt, run, following)
        marked_at = run.state.at or rt.now()
        entry = PortionResult(sent, answers, marked_at, run.reached, run.pauses, marked, following is None, left)
        run.state, hints = _put_down(rt, run, entry, until)
        run.pages.turn()
        if following is None:
            return hints + ([] if left else _call_next(rt, run))
        if waits:
            run.state = _wait(rt, run, following)
        run.portion, is_probe = following, False


def _marked(rt: Runtime, run: _Run, following: Portion | None) -> tuple[bool, Portion]:
    """Open the next portion's page; return whether it waits for the carrier's pace, and what is marked now."""
    if following is None:
        return False, NOTHING
    waits = _has_turn(rt, run, following.segments()) > 0
    run.pages.open(following)
    return waits, NOTHING if waits else following


def _set_probe_apart(run: _Run) -> None:
    """Make the first message, which probes an open breaker, a portion of its own."""
    alone, others = Portion(run.portion.members[:1]), Portion(run.portion.members[1:])
    run.portion, run.rest = alone, chain([others] if others.members else [], run.rest)


def _following(rt: Runtime, run: _Run) -> tuple[Portion | None, set[UUID]]:
    """Return the next portion, or None and the batches to give back: the process is to stop, or its turn is over."""
    if rt.is_stopping() or (run.pace is not None and time.monotonic() > run.began + pacing.turn(run.pace)):
        return None, {claim.span.batch for each in run.rest for claim, _ in each.members}
    return next(run.rest, None), set()


def _asked(rt: Runtime, run: _Run) -> tuple[Carrier | None, bool]:
    """Return the trip's carrier, or None when it may not be given anything now; and whether this trip tries it."""
    carrier = _carrier(rt, run.lead) if run.portion.members else None
    if carrier is None or run.lead.test:
        return carrier, False
    stands = rt.health(carrier.name).ask(carrier.call_deadline + 1)
    return (None if stands is Breaker.OPEN else carrier), stands is Breaker.PROBE


def _noted(rt: Runtime, run: _Run, sent: Portion, answers: Sequence[Attempt], *, at_once: bool) -> bool:
    """Note what a portion's outcomes say of the carrier; tell whether it may be given another."""
    if not sent.members:
        return True
    run.reached.update(sent.last())
    signs = []
    for (claim, parcel), answer in zip(sent.members, answers, strict=True):
        if answer.outcome is _TAKEN:
            signs.append((parcel.country, True))
            continue
        if (good := outcomes.is_good(answer)) is not None:
            signs.append((parcel.country, good))
        if pause := outcomes.pause(answer, claim.attempt):
            run.pauses[parcel.ref] = pause
    if run.lead.test:
        return True
    return rt.health(run.lead.carrier).note_outcomes(signs, at_once=at_once) is not Breaker.OPEN


def _has_turn(rt: Runtime, run: _Run, segments: int) -> float:
    """Take so many segments of the carrier's limit; return 0, or the seconds to wait before asking again."""
    if run.pace is None:
        return 0.0
    at_once = pacing.at_once(run.pace)
    refused = rate_limits.take(rt.valkey, [[LimitTake(f"carrier:{run.lead.carrier}", run.pace, at_once, segments)]])[0]
    return min(refused.wait, 1.0) if refused else 0.0


def _wait(rt: Runtime, run: _Run, portion: Portion) -> LeaseState:
    """Wait for the portion's turn, keeping the claims alive, and mark it."""
    owed, at_once, renewed = portion.segments(), pacing.at_once(run.pace or 1), time.monotonic()
    while owed > 0:
        wait = _has_turn(rt, run, min(owed, at_once))
        if not wait:
            owed -= at_once
            continue
        time.sleep(wait)
        if time.monotonic() - renewed > rt.settings.lease_seconds / 6:
            renewed = time.monotonic()
            with rt.begin() as conn:
                leases.advance(conn, steps(run.claims, NOTHING, NOTHING), rt.settings.lease_seconds)
    with rt.begin() as conn:
        return leases.advance(conn, steps(run.claims, NOTHING, portion), rt.settings.lease_seconds)


def _put_down(rt: Runtime, run: _Run, entry: PortionResult, until: float) -> tuple[LeaseState, list[Hint]]:
    """Commit an entry; a database that is away for a moment is tried again, until that moment at the latest.

    A commit whose answer was lost may have gone through: once `advance` has its rows, its attempts are there then.
    """
    moves, pause, again = steps(run.claims, entry.sent, entry.marked), _PAUSE, False
    hints: list[Hint] = []
    while True:
        try:
            with rt.begin() as conn:
                state = leases.advance(conn, moves, rt.settings.lease_seconds)
                if not (again and attempts.are_in(conn, entry.trials())):
                    hints = _write(rt, conn, run, entry, state)
            return state, hints
        except DatabaseFault as fault:
            if fault.is_final or time.monotonic() + pause > until:
                raise
            log.warning("what a carrier answered is not written yet: %s", fault)
        time.sleep(pause)
        pause, again = min(2 * pause, _LONGEST_PAUSE), True


def _write(rt: Runtime, conn: Connection, run: _Run, entry: PortionResult, state: LeaseState) -> list[Hint]:
    """Write an entry, and the end of the trip with the last; return the batches to hint."""
    released = record(rt, conn, entry, state)
    if not entry.is_last:
        ledger.release(conn, released, entry.marked_at)
        return []
    ours, at = [claim for claim in run.claims if claim.span.batch in state.ours], state.at or entry.marked_at
    hints, failed = finish(rt, conn, [claim for claim in ours if claim.span.batch not in entry.left], entry, at)
    if left := [claim for claim in ours if claim.span.batch in entry.left]:
        failed += put_aside(rt, conn, left, entry.pauses, at)
        hints += leases.give_back(conn, [claim.span.batch for claim in left])
    ledger.release(conn, released + failed, at)
    return hints


def _call_next(rt: Runtime, run: _Run) -> list[Hint]:
    """Return the batch to hint at a carrier with a limit: its others were hinted while this trip had the turn.

    Called after the last commit, or a hint that came just before it would be the last that anybody heard of its batch.
    """
    if not run.pace:
        return []
    try:
        with rt.read_only() as conn:
            return leases.next_of(conn, run.lead.carrier)
    except DatabaseFault:  # all is written; sweep finds who waits
        return []


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


def _send(carrier: Carrier | None, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
    """Send, and take whatever is not an answer for unknown: bytes may have gone out."""
    if carrier is None or not parcels:
        return []
    try:
        answers = _handed_over(carrier, parcels, notes)
        if [each.ref for each in answers] == [each.ref for each in parcels]:
            return answers
        log.error("carrier %s: its answers are not those of its parcels", carrier.name)
    except Exception as error:  # noqa: BLE001 - an adapter's fault must not lose what its carrier may have taken
        log.error("carrier %s: its adapter failed with %s", carrier.name, type(error).__name__)
    return [Attempt(each.ref, Outcome.UNKNOWN, code="adapter_fault") for each in parcels]


def _handed_over(carrier: Carrier, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
    """Send; a carrier that does not note what it hands over has handed over all of it at once."""
    if isinstance(carrier, NotingCarrier):
        return carrier.send_noting(parcels, notes)
    for place in range(len(parcels)):
        notes.submitting(place)
    return carrier.send(parcels)
