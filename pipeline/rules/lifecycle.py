"""Which status may follow which: one table for messages, one for batches. The database refuses every other move."""

from schema.vocabulary import BatchStatus, Status

#: None: the message stands as its batch does (scheduled or queued)
MESSAGE_MOVES: dict[Status | None, frozenset[Status]] = {
    None: frozenset({Status.SENT, Status.FAILED, Status.REJECTED, Status.CANCELLED}),
    Status.SENT: frozenset({Status.DELIVERED, Status.FAILED}),
    Status.DELIVERED: frozenset(),
    Status.FAILED: frozenset(),
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

#: nothing follows
FINAL = frozenset(status for status, following in MESSAGE_MOVES.items() if status and not following)
