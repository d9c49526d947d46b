"""Status transitions of messages and batches. Database triggers refuse every other transition of messages.

The states of money and attempts that each status allows are here too: the audit checks against these tables.
"""

from schema.vocabulary import BatchStatus, Code, Money, ReceiptVerdict, Status

#: None: its batch's status applies (scheduled or queued)
MESSAGE_MOVES: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.SENT, Status.FAILED, Status.REJECTED, Status.CANCELLED}),
    Status.SENT: frozenset({Status.DELIVERED, Status.FAILED}),
    Status.DELIVERED: frozenset(),
    # only from a code in REVOCABLE: a carrier accepted it, and reports late that it was delivered
    Status.FAILED: frozenset({Status.DELIVERED}),
    Status.REJECTED: frozenset(),
    Status.CANCELLED: frozenset(),
}

BATCH_MOVES: dict[BatchStatus, frozenset[BatchStatus]] = {
    BatchStatus.ADMITTED: frozenset({BatchStatus.SCHEDULED, BatchStatus.QUEUED, BatchStatus.DONE}),
    BatchStatus.SCHEDULED: frozenset({BatchStatus.QUEUED}),
    BatchStatus.QUEUED: frozenset({BatchStatus.SENDING}),
    BatchStatus.SENDING: frozenset({BatchStatus.QUEUED, BatchStatus.DONE}),
    BatchStatus.WAITING: frozenset({BatchStatus.QUEUED}),
    BatchStatus.DONE: frozenset(),
}

#: batches in these statuses may be held (`HoldReason`); they keep the status and continue from it
HOLDABLE = frozenset({BatchStatus.SCHEDULED, BatchStatus.QUEUED, BatchStatus.WAITING})

#: final statuses, which have a `final_at`
FINAL = frozenset({Status.DELIVERED, Status.FAILED, Status.REJECTED, Status.CANCELLED})

#: statuses that imply that a carrier has the message, or may have it; and those that exclude it
WITH_A_CARRIER = frozenset({Status.SENT, Status.DELIVERED})
WITHOUT_A_CARRIER = frozenset({Status.REJECTED, Status.CANCELLED})


#: codes of messages that failed after a carrier accepted them, or with an outcome that was never known
FAILED_AT_A_CARRIER = frozenset({Code.UNDELIVERED, Code.UNRESOLVED})
#: codes of messages whose outcome was unknown until a carrier said that it had not accepted them
FAILED_AFTER_A_DOUBT = frozenset({Code.CARRIER_REFUSED, Code.EXPIRED})
#: codes of failed messages that may become delivered by a late receipt
REVOCABLE = FAILED_AT_A_CARRIER | FAILED_AFTER_A_DOUBT

#: states of its money that a message's status allows
MONEY: dict[Status | None, frozenset[Money]] = {
    None: frozenset({Money.HELD}),
    Status.SENT: frozenset({Money.HELD, Money.CAPTURED}),
    # released: a late receipt after it had failed; the refund is not reversed
    Status.DELIVERED: frozenset({Money.CAPTURED, Money.RELEASED}),
    Status.FAILED: frozenset({Money.RELEASED}),
    Status.REJECTED: frozenset({Money.RELEASED}),
    Status.CANCELLED: frozenset({Money.RELEASED}),
}
#: failures that are charged: the carrier accepted the message and is paid
EARNED_FAILURES = frozenset({Code.UNDELIVERED})

#: precedence of receipts of one message or part: `delivered` by any carrier, at any time, is delivered
_WEIGHT = {ReceiptVerdict.PENDING: 0, ReceiptVerdict.FAILED: 1, ReceiptVerdict.DELIVERED: 2}


def outweighs(verdict: ReceiptVerdict, other: ReceiptVerdict | None) -> bool:
    """Tell whether a verdict takes precedence over another one received earlier or later; None: there is no other."""
    return other is None or _WEIGHT[verdict] > _WEIGHT[other]
