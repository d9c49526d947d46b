"""What one commit of a trip writes: what became of the portion that went out, and what it moves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.rules.numbers import test_numbers
from pipeline.rules.routing.routes import TEST_CARRIER
from pipeline.runtime import Connection, Runtime
from pipeline.stages.deliver.portions import Portion
from pipeline.store import attempts, events, ledger, messages, parts, receipts
from pipeline.store.attempts import Trial
from pipeline.store.leases import LeaseState
from pipeline.store.messages import Moved
from pipeline.store.parts import MultipartAttempt
from schema.carriage import Attempt, Receipt
from schema.vocabulary import Code, Money, Outcome, ReceiptVerdict, Status

#: what an outcome makes of its message; the two others leave it to another carrier
_MOVES = {
    Outcome.ACCEPTED: (Status.SENT, Money.CAPTURED, None),
    Outcome.UNKNOWN: (Status.SENT, Money.HELD, None),
    Outcome.REFUSED_PERMANENT: (Status.FAILED, Money.RELEASED, Code.CARRIER_REFUSED),
}


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
    again = {claim.span.batch for claim, _ in entry.sent.members if claim.again}
    if again:
        _earn_once(conn, [trial for trial in ours if trial.batch in again])
    subscribed = {claim.span.batch for claim, _ in entry.sent.members if claim.subscribes}
    released: list[Moved] = []
    for outcome, (status, money, code) in _MOVES.items():
        these = [trial for trial in ours if trial.attempt.outcome is outcome]
        if again:
            these = [trial for trial in these if trial.batch not in again]
        moved = messages.move(conn, [each.attempt.ref for each in these], status, money, at=at, code=code)
        if subscribed:
            tell(rt, conn, [each.attempt.ref for each in these if each.batch in subscribed], status, at)
        if money is Money.CAPTURED:
            ledger.capture(conn, moved)
        else:
            released += moved
    _play_test_messages(
        rt, conn, entry, {trial.attempt.ref for trial in ours if trial.attempt.outcome is Outcome.ACCEPTED}
    )
    return released


def tell(rt: Runtime, conn: Connection, moved: Sequence[UUID], status: Status, at: datetime) -> None:
    """Write the events of messages that moved."""
    events.tell_all(conn, rt.new_ids(), moved, status, at)


def _earn_once(conn: Connection, trials: Sequence[Trial]) -> None:
    """Earn what is still held of messages that were sent before and are taken now: their senders pay once."""
    taken = sorted(each.attempt.ref for each in trials if each.attempt.outcome is Outcome.ACCEPTED)
    messages.lock_sent(conn, taken)
    ledger.capture(conn, messages.end_doubt(conn, taken, Money.CAPTURED))


def _play_test_messages(rt: Runtime, conn: Connection, entry: PortionResult, accepted: set[UUID]) -> None:
    """Keep the receipts that nobody will send of test messages; their numbers say when each comes."""
    played = [parcel for claim, parcel in entry.sent.members if claim.test and parcel.ref in accepted]
    reports = [
        Receipt(TEST_CARRIER, str(each.ref), ReceiptVerdict.DELIVERED, None, each.ref, code=None, at=None, raw="")
        for each in played
    ]
    receipts.keep(conn, rt.new_ids(), reports, {str(each.ref): test_numbers.delay(each.to) for each in played})
