"""Which status may follow which: one table for messages, one for batches. The database refuses every other move.

What a message's money and attempts must look like in each status stands here too: the audit asks nothing else.
"""

from schema.vocabulary import BatchStatus, Code, Money, ReceiptVerdict, Status

#: None: the message stands as its batch does (scheduled or queued)
MESSAGE_MOVES: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.SENT, Status.FAILED, Status.REJECTED, Status.CANCELLED}),
    Status.SENT: frozenset({Status.DELIVERED, Status.FAILED}),
    Status.DELIVERED: frozenset(),
    # only for a reason in REVOCABLE: a carrier had it, and says after all that it was delivered
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

#: a batch may be held (`HoldReason`) while it waits: it stays what it is, and goes on from there
HOLDABLE = frozenset({BatchStatus.SCHEDULED, BatchStatus.QUEUED, BatchStatus.WAITING})

#: statuses in which a message has come to its end, and has the time of it
FINAL = frozenset({Status.DELIVERED, Status.FAILED, Status.REJECTED, Status.CANCELLED})

#: statuses that only a message has that a carrier has, or may have; and those that none of these ever has
WITH_A_CARRIER = frozenset({Status.SENT, Status.DELIVERED})
WITHOUT_A_CARRIER = frozenset({Status.REJECTED, Status.CANCELLED})


#: why a message may have failed that a carrier had, or of which nobody ever said whether one had it
FAILED_AT_A_CARRIER = frozenset({Code.UNDELIVERED, Code.UNRESOLVED})
#: why it may have failed after a doubt whether a carrier had it: it was said that none had
FAILED_AFTER_A_DOUBT = frozenset({Code.CARRIER_REFUSED, Code.EXPIRED})
#: a message that failed so may become delivered, if a carrier says so that had it or may have had it
REVOCABLE = FAILED_AT_A_CARRIER | FAILED_AFTER_A_DOUBT

#: what may have become of the money of a message, by its status
MONEY: dict[Status | None, frozenset[Money]] = {
    None: frozenset({Money.HELD}),
    Status.SENT: frozenset({Money.HELD, Money.CAPTURED}),
    # released: it had failed before it was known that it was delivered; what was given back stays given back
    Status.DELIVERED: frozenset({Money.CAPTURED, Money.RELEASED}),
    Status.FAILED: frozenset({Money.RELEASED}),
    Status.REJECTED: frozenset({Money.RELEASED}),
    Status.CANCELLED: frozenset({Money.RELEASED}),
}
#: failures that cost as much as a success: the carrier took the message and is paid
EARNED_FAILURES = frozenset({Code.UNDELIVERED})

#: what counts more of what receipts say of one message or part: `delivered` by any carrier, at any time, is delivered
_WEIGHT = {ReceiptVerdict.PENDING: 0, ReceiptVerdict.FAILED: 1, ReceiptVerdict.DELIVERED: 2}


def outweighs(verdict: ReceiptVerdict, other: ReceiptVerdict | None) -> bool:
    """Tell whether a verdict counts more than another that came before or after it; None: there is no other."""
    return other is None or _WEIGHT[verdict] > _WEIGHT[other]
