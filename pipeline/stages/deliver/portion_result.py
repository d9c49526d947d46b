"""Portion result: the outcomes of a sent portion, and how one commit writes its attempts, statuses and money."""

from collections import Counter as Tally
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.numbers import sandbox_numbers
from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver.portions import Portion
from pipeline.store import attempts, message_parts, metric_counters, receipts
from pipeline.store.attempts import Trial
from pipeline.store.batch_claims import LeaseState
from pipeline.store.message_parts import MultipartAttempt
from pipeline.store.metric_counters import Increment
from pipeline.store.receipts import ReceiptKey
from pipeline.store.wallet_ledger import Moved
from pipeline.transitions import attempt_results
from schema.carriage import Attempt, Receipt
from schema.vocabulary import Counter, Outcome, ReceiptVerdict


@dataclass(frozen=True, slots=True)
class PortionResult:
    """What one commit writes: the outcomes of the sent portion, and the mark of the next one."""

    sent: Portion
    outcomes: Sequence[Attempt]
    #: by the database's clock, with which other hosts compare attempts
    marked_at: datetime
    #: by the host's clock: the time of statuses, events and captured money
    sent_at: datetime
    #: batch → the last of its messages that was tried
    reached: Mapping[UUID, UUID | None]
    #: message → after how long its carrier asked to retry it
    pauses: Mapping[UUID, timedelta]
    #: the portion to mark; NOTHING: it waits for the rate limit first
    marked: Portion
    #: the run ends with this portion
    is_last: bool
    #: batches that are given back with unsent messages
    left: set[UUID]
    #: batch → its messages that were marked and not submitted, as its campaign was stopped
    unsent: Mapping[UUID, Sequence[UUID]] = field(default_factory=dict)

    def trials(self) -> list[Trial]:
        """Return the outcomes with attempt number, carrier, batch and fence."""
        return [
            Trial(outcome, claim.attempt, claim.carrier, claim.span.batch, claim.fence)
            for (claim, _), outcome in zip(self.sent.members, self.outcomes, strict=True)
        ]


def record(rt: Runtime, conn: Connection, entry: PortionResult, state: LeaseState) -> list[Moved]:
    """Write a portion's outcomes: attempts, statuses, events, captured money; return the money to release.

    For batches whose fence is outdated only the `late_*` columns of their attempts are written.
    """
    trials = entry.trials()
    ours = trials
    if not state.ours.issuperset(entry.sent.last()):
        attempts.keep_late(conn, [trial for trial in trials if trial.batch not in state.ours])
        ours = [trial for trial in trials if trial.batch in state.ours]
    attempts.write(conn, ours, entry.marked_at)
    message_parts.write(
        conn,
        [
            MultipartAttempt(each.carrier, each.attempt.ref, each.n, each.attempt.parts)
            for each in trials
            if each.attempt.parts
        ],
    )
    resent = {claim.span.batch for claim, _ in entry.sent.members if claim.resend_reason}
    _count(conn, ours, resent)
    subscribing = {claim.span.batch for claim, _ in entry.sent.members if claim.subscribes}
    released = attempt_results.apply(conn, entry.sent_at, ours, resent, subscribing)
    _play_test_messages(
        rt, conn, entry, {trial.attempt.ref for trial in ours if trial.attempt.outcome is Outcome.ACCEPTED}
    )
    return released


def _count(conn: Connection, ours: Sequence[Trial], resent: Set[UUID]) -> None:
    """Count attempts by outcome and code for metrics, but for those that are counted with the move to `sent`."""
    tries = Tally(
        (each.carrier, each.attempt.outcome, each.attempt.code)
        for each in ours
        if each.attempt.outcome is not Outcome.ACCEPTED or each.batch in resent
    )
    metric_counters.append(
        conn,
        [
            Increment(Counter.ATTEMPTS, (carrier, str(outcome), code or ""), times)
            for (carrier, outcome, code), times in tries.items()
        ],
    )


def _play_test_messages(rt: Runtime, conn: Connection, entry: PortionResult, accepted: set[UUID]) -> None:
    """Store simulated receipts of accepted test messages; the number of each says after how long it is due."""
    played = [parcel for claim, parcel in entry.sent.members if claim.test and parcel.ref in accepted]
    reports = [
        Receipt(TEST_CARRIER, str(each.ref), ReceiptVerdict.DELIVERED, None, each.ref, code=None, at=None, raw="")
        for each in played
    ]
    waits: dict[ReceiptKey, float] = {(TEST_CARRIER, str(each.ref)): sandbox_numbers.delay(each.to) for each in played}
    receipts.keep(conn, rt.new_ids(), reports, waits)
