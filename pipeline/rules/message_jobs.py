"""Which messages an action on all matching leaves out, by what a search shows of them."""

from schema.vocabulary import MessageJobResult, MessageOperation, Status

_WAITS = (Status.SCHEDULED, Status.QUEUED)


def left_out(operation: MessageOperation, status: Status, *, is_test: bool) -> MessageJobResult | None:
    """Return why a message is left out; None: its status does not prevent the operation."""
    if status not in (*_WAITS, Status.SENT):
        return MessageJobResult.FINAL
    if operation is MessageOperation.CANCEL:
        return None if status is Status.SCHEDULED else MessageJobResult.TOO_LATE
    if is_test:
        return MessageJobResult.TEST
    return MessageJobResult.NOT_SENT if status in _WAITS else None
