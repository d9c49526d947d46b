"""Billed batches: their messages are charged or rejected, and the batches are scheduled, queued or promoted."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pipeline.runtime import Connection
from pipeline.store import batches, events, ledger, message_moves, messages
from pipeline.store.batches import Unpaid
from pipeline.store.ledger import Hold
from schema.message import Charge, Hint
from schema.vocabulary import Status


def pay(
    conn: Connection, now: datetime, unpaid: Unpaid, ids: Sequence[UUID], charges: Sequence[Charge]
) -> tuple[list[Hint], list[Hold]]:
    """Charge the messages of a locked batch, or reject them; schedule or queue the batch.

    Return its hint if it may be delivered now, and the hold to pass to `ledger.hold_all`, once and last in the
    transaction.
    """
    message_moves.charge(conn, ids, charges, now)
    hints = batches.paid(conn, unpaid.span.batch)
    if unpaid.subscribes:
        statuses = (Status.REJECTED if charge.refusal else Status.QUEUED for charge in charges)
        moves = zip(ids, statuses, strict=True)
        # scheduled messages get the queued event when they are promoted
        events.tell(conn, [(id_, status) for id_, status in moves if hints or status is Status.REJECTED], now)
    amount, quota = sum(each.amount for each in charges), sum(each.quota for each in charges)
    hold = Hold(unpaid.account, unpaid.span.batch, ledger.month_of(unpaid.span.first), amount, quota)
    return hints, [hold] if amount or quota else []


def promote(conn: Connection, now: datetime, limit: int) -> list[Hint]:
    """Queue up to `limit` batches that are due by the database's clock; return their hints."""
    hints, subscribing = batches.promote(conn, limit)
    events.tell_all(conn, [each.id for each in messages.undecided(conn, subscribing)], Status.QUEUED, now)
    return hints
