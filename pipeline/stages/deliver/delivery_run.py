"""Delivery run: claim batches of one carrier, then mark, send and record portion after portion until none is left."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import chain
from uuid import UUID

from pipeline.carriers.contract import STOPPED, Carrier, NotingCarrier, SubmitNotes
from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.rules.routing import outcomes, pacing
from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver import campaign_stops
from pipeline.stages.deliver.campaign_stops import Unsent
from pipeline.stages.deliver.journal_pages import Pages
from pipeline.stages.deliver.portion_result import PortionResult, record
from pipeline.stages.deliver.portions import NOTHING, Portion, cut, in_turn, steps
from pipeline.stages.deliver.regroup import finish, postpone
from pipeline.store import attempts, batch_claims, wallet_ledger
from pipeline.store.api import rate_limits
from pipeline.store.api.rate_limits import LimitTake
from pipeline.store.batch_claims import Claim, LeaseState
from pipeline.store.circuit_breakers import Breaker
from pipeline.transitions import claim_rejections
from schema.carriage import Attempt, Parcel
from schema.message import Hint
from schema.vocabulary import Outcome

log = logging.getLogger(__name__)

_TAKEN = Outcome.ACCEPTED
#: seconds before the write of a carrier's answers is retried, doubled each time, and their maximum
_PAUSE, _LONGEST_PAUSE = 0.1, 2.0
#: share of the lease until which a write is retried: one third is for the carrier's call, the last third is reserve
_RETRY_SHARE = 2 / 3


def deliver(rt: Runtime, wanted: Sequence[UUID]) -> list[Hint]:
    """Claim and send these queued batches of one carrier; return hints of the batches that follow them.

    If the carrier has a rate limit, batches wait for the fair turn of their account (`leases.claim`).
    """
    with rt.begin() as conn:
        claims = batch_claims.claim(conn, wanted, rt.settings.lease_seconds, rt.journal.id if rt.journal else None)
        run = _start(rt, conn, claims) if claims else None
    if run is None:
        return []
    try:
        with rt.campaign_watch.during(run.campaigns):
            return _send_portions(rt, run)
    finally:
        run.pages.leave()


@dataclass(slots=True)
class _Run:
    """Progress of a delivery run: the claimed batches of one carrier."""

    claims: Sequence[Claim]
    #: the current portion: marked, unless it waits for the rate limit
    portion: Portion
    rest: Iterator[Portion]
    state: LeaseState
    #: segments per second; None: no limit
    pace: float | None
    #: batch → the last of its messages that was tried
    reached: dict[UUID, UUID | None]
    #: its pages of the journal
    pages: Pages = field(default_factory=Pages)
    #: the campaigns of its batches
    campaigns: frozenset[UUID] = frozenset()
    #: message → after how long the carrier asked to retry it
    pauses: dict[UUID, timedelta] = field(default_factory=dict)
    #: batch of a campaign → the last of its messages that are to be sent
    ends: dict[UUID, UUID] = field(default_factory=dict)
    #: batches given back before the end of the run, as their campaigns were stopped
    gone: set[UUID] = field(default_factory=set)
    began: float = field(default_factory=time.monotonic)

    @property
    def lead(self) -> Claim:
        """Return a claim from which the carrier of all of them is read."""
        return next((claim for claim, _ in self.portion.members), self.claims[0])

    def stopped(self, state: LeaseState, unsent: Unsent) -> set[UUID]:
        """Return the batches to give back as their campaigns are stopped: those with messages still to be sent.

        `unsent`: those that the carrier was stopped within.
        """
        found = {batch for batch in state.stopped if batch in self.ends and self.reached[batch] != self.ends[batch]}
        return found | (unsent.keys() & state.ours)


def _start(rt: Runtime, conn: Connection, claims: Sequence[Claim]) -> _Run:
    """Reject what may not be sent any more, and mark the first portion; with a rate limit it waits before it is marked.

    It is in the journal before it is marked: a marked message that is not in the journal is unknown after a crash.
    """
    parcels = batch_claims.parcels(conn, claims)
    common_time = rt.common_time(claims[0].clock)
    loads = claim_rejections.check_permission(conn, rt.now(), common_time, rt.new_ids(), claims, parcels)
    asked = [claim for claim in claims if _may_be_used(claim)]
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
    campaigns = frozenset(claim.campaign for claim in claims if claim.campaign)
    marks = steps(claims, NOTHING, marked)
    state = batch_claims.advance(conn, marks, rt.settings.lease_seconds, of_campaigns=bool(campaigns))
    reached = {claim.span.batch: claim.recorded for claim in claims}
    run = _Run(claims, first, portions, state, pace, reached, pages, campaigns)
    if campaigns:
        batches = [claim.span.batch for claim in claims if claim.campaign]
        run.ends = {batch: loads[batch][-1].ref for batch in batches if loads[batch]}
        run.gone = _give_back_stopped(rt, conn, run, state)
    return run


def _send_portions(rt: Runtime, run: _Run) -> list[Hint]:
    """Send a run's portions; each commit records the portion that was sent and marks the next. Return hints.

    The carrier is created after the claim's commit, so that an adapter that kills its process is counted. A process
    that stops, or whose turn is over, sends what is marked and gives the rest back; if the carrier's breaker opens,
    the rest fails over to the next carrier.
    """
    carrier, is_probe = _usable_carrier(rt, run)
    if carrier and is_probe:
        _split_off_probe(run)
    if carrier and run.pace:
        run.state = _wait(rt, run, run.portion)
    while True:
        until, sent_at = time.monotonic() + rt.settings.lease_seconds * _RETRY_SHARE, rt.now()
        sent, answers, unsent = _submit(rt, run, carrier)
        goes_on = _report_outcomes(rt, run, sent, answers, at_once=is_probe) and carrier is not None
        following, left = _following(rt, run, unsent) if goes_on else (None, set())
        waits, marked = _marked(rt, run, following)
        marked_at, is_last = run.state.at or sent_at, following is None
        entry = PortionResult(sent, answers, marked_at, sent_at, run.reached, run.pauses, marked, is_last, left, unsent)
        run.state, hints = _commit_result(rt, run, entry, until)
        run.gone |= run.stopped(run.state, unsent)
        run.pages.turn()
        if following is None:
            return hints + ([] if left else _call_next(rt, run))
        if waits:
            run.state = _wait(rt, run, following)
        run.portion, is_probe = following, is_probe and not sent.members
        if is_probe:
            _split_off_probe(run)


def _marked(rt: Runtime, run: _Run, following: Portion | None) -> tuple[bool, Portion]:
    """Open the next portion's journal page; return whether it waits for the rate limit, and the portion to mark now."""
    if following is None:
        return False, NOTHING
    waits = _has_turn(rt, run, following.segments()) > 0
    run.pages.open(following)
    return waits, NOTHING if waits else following


def _split_off_probe(run: _Run) -> None:
    """Make the first message, the probe of an open breaker, a portion of its own."""
    alone, others = Portion(run.portion.members[:1]), Portion(run.portion.members[1:])
    run.portion, run.rest = alone, chain([others] if others.members else [], run.rest)


def _following(rt: Runtime, run: _Run, unsent: Unsent) -> tuple[Portion | None, set[UUID]]:
    """Return the next portion; or None and the batches to give back, when the process stops or its turn is over.

    Without batches that are given back already, or now, as their campaigns are stopped.
    """
    gone = run.gone | unsent.keys()
    rest = run.rest if not gone else (each for each in (portion.without(gone) for portion in run.rest) if each.members)
    if rt.is_stopping() or (run.pace is not None and time.monotonic() > run.began + pacing.turn(run.pace)):
        return None, {claim.span.batch for each in rest for claim, _ in each.members}
    return next(rest, None), set()


def _usable_carrier(rt: Runtime, run: _Run) -> tuple[Carrier | None, bool]:
    """Return the run's carrier, or None if it cannot be used now; and whether this run is the breaker's probe."""
    carrier = _carrier(rt, run.lead) if run.portion.members else None
    if carrier is None or run.lead.test:
        return carrier, False
    stands = rt.health(carrier.name).acquire(carrier.call_deadline + 1)
    return (None if stands is Breaker.OPEN else carrier), stands is Breaker.PROBE


def _report_outcomes(rt: Runtime, run: _Run, sent: Portion, answers: Sequence[Attempt], *, at_once: bool) -> bool:
    """Report a portion's outcomes to the carrier's breaker; return whether the carrier may get another portion."""
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
    """Take segments from the carrier's rate limit; return 0, or the seconds to wait before the next try."""
    if run.pace is None:
        return 0.0
    name, at_once = f"carrier:{run.lead.carrier}", pacing.tenths_at_once(run.pace)
    refused = rate_limits.take(rt.valkey, [[LimitTake(name, 10 * run.pace, at_once, 10 * segments)]])[0]
    return min(refused.wait, 1.0) if refused else 0.0


def _wait(rt: Runtime, run: _Run, portion: Portion) -> LeaseState:
    """Wait for the rate limit while renewing the leases, then mark the portion; return the leases."""
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
                batch_claims.advance(conn, steps(run.claims, NOTHING, NOTHING), rt.settings.lease_seconds)
    with rt.begin() as conn:
        marks = steps(run.claims, NOTHING, portion)
        state = batch_claims.advance(conn, marks, rt.settings.lease_seconds, of_campaigns=bool(run.campaigns))
        gone = _give_back_stopped(rt, conn, run, state)
    run.gone |= gone
    return state


def _give_back_stopped(rt: Runtime, conn: Connection, run: _Run, state: LeaseState) -> set[UUID]:
    """Give back the batches of campaigns that were found stopped at a mark; return them."""
    stopped = run.stopped(state, {})
    if stopped:
        now, claims = rt.now(), [claim for claim in run.claims if claim.span.batch in stopped]
        clock = state.at or run.claims[0].clock
        released = campaign_stops.give_back(rt, conn, now, claims, run.reached, run.pauses, {}, clock=clock)
        wallet_ledger.release(conn, released, now)
    return stopped


def _commit_result(rt: Runtime, run: _Run, entry: PortionResult, until: float) -> tuple[LeaseState, list[Hint]]:
    """Commit a portion's result, with retries while the database is down, up to `until`; return leases and hints.

    A commit whose response was lost may have succeeded: then its attempts exist once `advance` has locked its rows.
    """
    moves, pause, again = steps(run.claims, entry.sent, entry.marked), _PAUSE, False
    hints: list[Hint] = []
    while True:
        try:
            with rt.begin() as conn:
                state = batch_claims.advance(conn, moves, rt.settings.lease_seconds, of_campaigns=bool(run.campaigns))
                if not (again and attempts.are_written(conn, entry.trials())):
                    hints = _write(rt, conn, run, entry, state)
            return state, hints
        except DatabaseFault as fault:
            if fault.is_final or time.monotonic() + pause > until:
                raise
            log.warning("what a carrier answered is not written yet: %s", fault)
        time.sleep(pause)
        pause, again = min(2 * pause, _LONGEST_PAUSE), True


def _write(rt: Runtime, conn: Connection, run: _Run, entry: PortionResult, state: LeaseState) -> list[Hint]:
    """Write a portion's result, and with the last one the end of the run; return the batches to hint."""
    now, clock = rt.now(), state.at or entry.marked_at
    released = record(rt, conn, entry, state)
    if stopped := run.stopped(state, entry.unsent):
        these = [claim for claim in run.claims if claim.span.batch in stopped]
        released += campaign_stops.give_back(rt, conn, now, these, run.reached, run.pauses, entry.unsent, clock=clock)
    if not entry.is_last:
        wallet_ledger.release(conn, released, now)
        return []
    ours = [claim for claim in run.claims if claim.span.batch in state.ours and claim.span.batch not in stopped]
    finished = [claim for claim in ours if claim.span.batch not in entry.left]
    hints, failed = finish(rt, conn, now, finished, entry, clock=clock)
    if left := [claim for claim in ours if claim.span.batch in entry.left]:
        failed += postpone(rt, conn, now, left, entry.pauses, clock=clock)
        hints += batch_claims.give_back(conn, [claim.span.batch for claim in left])
    wallet_ledger.release(conn, released + failed, now)
    return hints


def _call_next(rt: Runtime, run: _Run) -> list[Hint]:
    """Return the batch to hint next at a carrier with a rate limit: hints that came during this run were ignored.

    Called after the last commit: a hint that arrived just before it would otherwise be lost until the sweep.
    """
    if not run.pace:
        return []
    try:
        with rt.read_only() as conn:
            return batch_claims.next_of(conn, run.lead.carrier)
    except DatabaseFault:  # all is written; sweep finds the waiting batches
        return []


def _may_be_used(claim: Claim) -> bool:
    """Return whether the claim's carrier may be used now (`Claim.kind`); for test messages only the test carrier."""
    return claim.kind is not None and (claim.carrier == TEST_CARRIER or not claim.test)


def _carrier(rt: Runtime, claim: Claim) -> Carrier | None:
    """Return the claim's carrier; None if its settings are invalid: its messages then fail over to the next route."""
    try:
        return rt.carrier(claim.carrier, claim.kind, claim.settings) if claim.kind else None
    except ConfigurationError as error:
        log.error("%s", error)
        return None


def _submit(rt: Runtime, run: _Run, carrier: Carrier | None) -> tuple[Portion, Sequence[Attempt], Unsent]:
    """Send the current portion; return what was tried, its attempts, and what a stopped campaign left unsent."""
    sent = run.portion.of(run.state.open) if carrier else NOTHING
    may_submit = campaign_stops.guard(rt.campaign_watch, sent) if run.campaigns else None
    notes = run.pages.notes(run.portion, sent, may_submit)
    answers = _send(carrier, [parcel for _, parcel in sent.members], notes)
    return campaign_stops.without_unsent(rt.campaign_watch, sent, answers) if run.campaigns else (sent, answers, {})


def _send(carrier: Carrier | None, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
    """Send parcels; return their attempts. A fault of the adapter makes all unknown: bytes may have been sent."""
    if carrier is None or not parcels:
        return []
    try:
        answers = _send_with_notes(carrier, parcels, notes)
        if [each.ref for each in answers] == [each.ref for each in parcels]:
            return answers
        log.error("carrier %(carrier)s: its answers are not those of its parcels", {"carrier": carrier.name})
    except Exception as error:  # noqa: BLE001 - after a fault of the adapter the carrier may still have messages
        words = "carrier %(carrier)s: its adapter failed with %(fault)s"
        log.error(words, {"carrier": carrier.name, "fault": type(error).__name__})
    return [Attempt(each.ref, Outcome.UNKNOWN, code="adapter_fault") for each in parcels]


def _send_with_notes(carrier: Carrier, parcels: Sequence[Parcel], notes: SubmitNotes) -> list[Attempt]:
    """Send parcels; for a carrier that does not note each submit in the journal, all are noted as submitted before."""
    if isinstance(carrier, NotingCarrier):
        return carrier.send_noting(parcels, notes)
    may_submit = notes.may_submit
    places = [place for place in range(len(parcels)) if may_submit is None or may_submit(place)]
    for place in places:
        notes.submitting(place)
    answers = carrier.send([parcels[place] for place in places])
    if len(answers) != len(places) or len(places) == len(parcels):
        return answers
    known = dict(zip(places, answers, strict=True))
    return [
        known.get(place) or Attempt(parcel.ref, Outcome.NOT_WRITTEN, code=STOPPED)
        for place, parcel in enumerate(parcels)
    ]
