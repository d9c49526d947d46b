"""Batches that are paid for: their messages' money is held or they are rejected, and they are scheduled or queued."""

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

    Return it when it may be delivered now, and the money that `ledger.hold_all` is to hold, once and last in the
    transaction.
    """
    message_moves.charge(conn, ids, charges, now)
    hints = batches.paid(conn, unpaid.span.batch)
    if unpaid.subscribes:
        statuses = (Status.REJECTED if charge.refusal else Status.QUEUED for charge in charges)
        moves = zip(ids, statuses, strict=True)
        # what is scheduled is queued when its minute comes
        events.tell(conn, [(id_, status) for id_, status in moves if hints or status is Status.REJECTED], now)
    amount, quota = sum(each.amount for each in charges), sum(each.quota for each in charges)
    hold = Hold(unpaid.account, unpaid.span.batch, ledger.month_of(unpaid.span.first), amount, quota)
    return hints, [hold] if amount or quota else []


def promote(conn: Connection, now: datetime, limit: int) -> list[Hint]:
    """Queue up to so many batches that are due by the database's clock; return them."""
    hints, subscribing = batches.promote(conn, limit)
    events.tell_all(conn, [each.id for each in messages.undecided(conn, subscribing)], Status.QUEUED, now)
    return hints
