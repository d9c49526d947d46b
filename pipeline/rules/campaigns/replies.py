"""Which campaign an inbound message answers: the one that sent last to its writer, from the sender it was sent to."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from schema.value_class import value_class

#: how long after a message of a campaign an inbound message counts as a reply to it
ANSWERED_WITHIN = timedelta(days=7)


@value_class
class SentRow:
    """A row of a campaign that became a message."""

    campaign: UUID
    line: int
    message: UUID


def answered(rows: Iterable[tuple[SentRow, datetime | None]], received_at: datetime) -> SentRow | None:
    """Return the row that was sent last (row, when; None: not yet) before an inbound message; None: none was."""
    earlier = [
        (sent_at, row.message, row)
        for row, sent_at in rows
        if sent_at is not None and received_at - ANSWERED_WITHIN <= sent_at <= received_at
    ]
    return max(earlier, key=lambda each: each[:2])[2] if earlier else None
