"""Status transitions of messages and batches. Database triggers refuse every other transition.

A message's state is its status, its error code, the state of its money, and what a carrier had of it before it was
resent. The permitted states are those that `MOVES` lead to: the audit derives its checks from them, and
`pipeline.transitions` makes no other moves.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from schema.vocabulary import BatchStatus, Code, Money, Outcome, ReceiptVerdict, Status


class State(NamedTuple):
    """One state of a message."""

    #: None: its batch's status applies (scheduled or queued)
    status: Status | None
    code: Code | None
    #: None: not charged yet, or free
    money: Money | None
    #: ACCEPTED, UNKNOWN, or None: no carrier has it
    carrier: Outcome | None


#: state of a message's money before → after
_Moneys = Mapping[Money | None, Money | None]

_NONE: frozenset[Outcome | None] = frozenset({None})
_UNKNOWN: frozenset[Outcome | None] = frozenset({Outcome.UNKNOWN})
_ACCEPTED_OR_UNKNOWN: frozenset[Outcome | None] = frozenset({Outcome.ACCEPTED, Outcome.UNKNOWN})


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """One transition of a message."""

    before: Status | None
    after: Status | None
    #: state of its money before → after; a free message has None in every state
    money: _Moneys
    #: the error codes it may set
    codes: frozenset[Code | None] = frozenset({None})
    #: what a carrier must have had of the message
    carrier: frozenset[Outcome | None] = _ACCEPTED_OR_UNKNOWN
    #: what a carrier has of the message afterwards; None: as before
    outcome: Outcome | None = None
    #: the error codes that it requires; empty: any
    revokes: frozenset[Code] = field(default_factory=frozenset)

    def of(self, state: State) -> Iterator[State]:
        """Yield the states that may follow a state by this move; none where it does not apply."""
        is_free = state.money is None and None not in self.money
        if state.status is not self.before or state.carrier not in self.carrier:
            return
        if not is_free and state.money not in self.money:
            return
        if self.revokes and state.code not in self.revokes:
            return
        money = None if is_free else self.money[state.money]
        for code in self.codes:
            yield State(self.after, code, money, self.outcome or state.carrier)


_RELEASED: _Moneys = {Money.HELD: Money.RELEASED}
#: codes of the checks at claim
_NOT_PERMITTED = frozenset({Code.OPTED_OUT, Code.SENDER_INVALID, Code.COUNTRY_FORBIDDEN, Code.QUIET_HOURS})

#: billed
HOLD = Move(None, None, {None: Money.HELD}, carrier=_NONE)
#: rejected before it was billed
REJECT_UNPAID = Move(
    None,
    Status.REJECTED,
    {None: None},
    frozenset({Code.NO_PRICE, Code.INSUFFICIENT_FUNDS, Code.POISON}),
    carrier=_NONE,
)
#: rejected by a check at its first claim
REJECT = Move(None, Status.REJECTED, _RELEASED, _NOT_PERMITTED, carrier=_NONE)
#: failed without a carrier that accepted it
FAIL = Move(
    None,
    Status.FAILED,
    _RELEASED,
    _NOT_PERMITTED | {Code.CARRIER_REFUSED, Code.EXPIRED, Code.NO_CARRIER_LEFT, Code.POISON},
    carrier=_NONE,
)
#: cancelled by its sender
CANCEL = Move(None, Status.CANCELLED, {None: None, **_RELEASED}, carrier=_NONE)
#: accepted by a carrier
ACCEPT = Move(None, Status.SENT, {Money.HELD: Money.CAPTURED}, carrier=_NONE, outcome=Outcome.ACCEPTED)
#: submitted to a carrier, with unknown outcome
LEAVE_UNKNOWN = Move(None, Status.SENT, {Money.HELD: Money.HELD}, carrier=_NONE, outcome=Outcome.UNKNOWN)
#: known by now to have been accepted, by that carrier or by another
CONFIRM = Move(Status.SENT, Status.SENT, {Money.HELD: Money.CAPTURED}, carrier=_UNKNOWN)
#: delivered, by a receipt
DELIVER = Move(Status.SENT, Status.DELIVERED, {Money.HELD: Money.CAPTURED, Money.CAPTURED: Money.CAPTURED})
#: undelivered, by a receipt; charged if a carrier had accepted it
FAIL_DELIVERY = Move(
    Status.SENT,
    Status.FAILED,
    {**_RELEASED, Money.CAPTURED: Money.CAPTURED},
    frozenset({Code.UNDELIVERED}),
)
#: not accepted after all, or with an outcome that was never known
GIVE_UP = Move(
    Status.SENT,
    Status.FAILED,
    _RELEASED,
    frozenset({Code.CARRIER_REFUSED, Code.EXPIRED, Code.UNRESOLVED}),
    carrier=_UNKNOWN,
)
#: delivered, by a late receipt after it had failed; a refund is not reversed
REVOKE = Move(
    Status.FAILED,
    Status.DELIVERED,
    {Money.CAPTURED: Money.CAPTURED, Money.RELEASED: Money.RELEASED},
    revokes=frozenset({Code.UNDELIVERED, Code.CARRIER_REFUSED, Code.EXPIRED, Code.UNRESOLVED}),
)

MOVES = (
    HOLD,
    REJECT_UNPAID,
    REJECT,
    FAIL,
    CANCEL,
    ACCEPT,
    LEAVE_UNKNOWN,
    CONFIRM,
    DELIVER,
    FAIL_DELIVERY,
    GIVE_UP,
    REVOKE,
)

#: of a new message
START = State(None, None, None, None)


def _reachable() -> frozenset[State]:
    """Return every state that the moves lead to from `START`."""
    known, fresh = {START}, [START]
    while fresh:
        state = fresh.pop()
        following = {each for move in MOVES for each in move.of(state)} - known
        known |= following
        fresh += following
    return frozenset(known)


STATES = _reachable()

#: status → the statuses that may follow
MESSAGE_MOVES: dict[Status | None, frozenset[Status]] = {
    status: frozenset(move.after for move in MOVES if move.before is status and move.after and move.after is not status)
    for status in {state.status for state in STATES}
}

#: final statuses, which have a `final_at`
FINAL = frozenset(
    status for status in MESSAGE_MOVES if status and all(move.revokes for move in MOVES if move.before is status)
)

BATCH_MOVES: dict[BatchStatus, frozenset[BatchStatus]] = {
    BatchStatus.ADMITTED: frozenset({BatchStatus.SCHEDULED, BatchStatus.QUEUED, BatchStatus.DONE}),
    # done: their campaign was aborted
    BatchStatus.SCHEDULED: frozenset({BatchStatus.QUEUED, BatchStatus.DONE}),
    BatchStatus.QUEUED: frozenset({BatchStatus.SENDING, BatchStatus.DONE}),
    BatchStatus.SENDING: frozenset({BatchStatus.QUEUED, BatchStatus.DONE}),
    BatchStatus.WAITING: frozenset({BatchStatus.QUEUED, BatchStatus.DONE}),
    BatchStatus.DONE: frozenset(),
}

#: batches in these statuses may be held (`HoldReason`); they keep the status and continue from it
HOLDABLE = frozenset({BatchStatus.SCHEDULED, BatchStatus.QUEUED, BatchStatus.WAITING})

_FREE, _HELD = State(None, None, None, None), State(None, None, HOLD.money[None], None)
_UNPAID: dict[Code | None, State] = {code: State(REJECT_UNPAID.after, code, None, None) for code in REJECT_UNPAID.codes}


def billed(refusal: Code | None, *, is_charged: bool) -> State:
    """Return the state of a message when it is billed: with its money held if it costs any, or rejected."""
    if refusal:
        return _UNPAID[refusal]
    return _HELD if is_charged else _FREE


#: precedence of receipts of one message or part: `delivered` by any carrier, at any time, is delivered
_WEIGHT = {ReceiptVerdict.PENDING: 0, ReceiptVerdict.FAILED: 1, ReceiptVerdict.DELIVERED: 2}


def outweighs(verdict: ReceiptVerdict, other: ReceiptVerdict | None) -> bool:
    """Tell whether a verdict takes precedence over another one received earlier or later; None: there is no other."""
    return other is None or _WEIGHT[verdict] > _WEIGHT[other]


def verdict_of_parts(verdicts: Collection[ReceiptVerdict | None], of: int) -> ReceiptVerdict | None:
    """Return the verdict of a message sent in `of` parts: failed if any part failed, delivered when all parts are.

    `verdicts`: of its parts so far; None: not known yet.
    """
    if ReceiptVerdict.FAILED in verdicts:
        return ReceiptVerdict.FAILED
    delivered = sum(each is ReceiptVerdict.DELIVERED for each in verdicts)
    return ReceiptVerdict.DELIVERED if delivered == of else None
