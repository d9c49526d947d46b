"""What one commit of a trip writes: what became of the portion that went out, and what it moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.numbers import test_numbers
from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver.portions import Portion
from pipeline.store import attempts, parts, receipts
from pipeline.store.attempts import Trial
from pipeline.store.leases import LeaseState
from pipeline.store.ledger import Moved
from pipeline.store.parts import MultipartAttempt
from pipeline.transitions import attempt_results
from schema.carriage import Attempt, Receipt
from schema.vocabulary import Outcome, ReceiptVerdict


@dataclass(frozen=True, slots=True)
class PortionResult:
    """What one commit writes: what became of the portion that went out, and the mark of the one that goes next."""

    sent: Portion
    outcomes: Sequence[Attempt]
    marked_at: datetime
    #: batch → how far its messages were tried
    reached: Mapping[UUID, UUID | None]
    #: messages that their carrier wants later, and after how long
    pauses: Mapping[UUID, timedelta]
    #: what is marked; nothing: it must wait for its turn first
    marked: Portion
    #: the trip ends here
    is_last: bool
    #: batches that are given back, the rest of them unsent
    left: set[UUID]

    def trials(self) -> list[Trial]:
        """Return the outcomes with their places."""
        return [
            Trial(outcome, claim.attempt, claim.carrier, claim.span.batch, claim.fence)
            for (claim, _), outcome in zip(self.sent.members, self.outcomes, strict=True)
        ]


def record(rt: Runtime, conn: Connection, entry: PortionResult, state: LeaseState) -> list[Moved]:
    """Write what became of a portion: attempts, statuses, events, earnings; return what is to be given back.

    Of batches that are no longer ours only `late_*` is kept.
    """
    trials, at = entry.trials(), entry.marked_at
    ours = trials
    if not state.ours.issuperset(entry.sent.last()):
        attempts.keep_late(conn, [trial for trial in trials if trial.batch not in state.ours])
        ours = [trial for trial in trials if trial.batch in state.ours]
    attempts.write(conn, ours, at)
    parts.write(
        conn,
        [
            MultipartAttempt(each.carrier, each.attempt.ref, each.n, each.attempt.parts)
            for each in trials
            if each.attempt.parts
        ],
    )
    resent = {claim.span.batch for claim, _ in entry.sent.members if claim.again}
    subscribing = {claim.span.batch for claim, _ in entry.sent.members if claim.subscribes}
    released = attempt_results.apply(conn, at, ours, resent, subscribing)
    _play_test_messages(
        rt, conn, entry, {trial.attempt.ref for trial in ours if trial.attempt.outcome is Outcome.ACCEPTED}
    )
    return released


def _play_test_messages(rt: Runtime, conn: Connection, entry: PortionResult, accepted: set[UUID]) -> None:
    """Keep the receipts that nobody will send of test messages; their numbers say when each comes."""
    played = [parcel for claim, parcel in entry.sent.members if claim.test and parcel.ref in accepted]
    reports = [
        Receipt(TEST_CARRIER, str(each.ref), ReceiptVerdict.DELIVERED, None, each.ref, code=None, at=None, raw="")
        for each in played
    ]
    receipts.keep(conn, rt.new_ids(), reports, {str(each.ref): test_numbers.delay(each.to) for each in played})
