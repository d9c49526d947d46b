"""Billed batches: their messages are charged or rejected, and the batches are scheduled, queued or promoted."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.runtime import Connection
from pipeline.store import batches, events, message_moves, messages
from pipeline.store.batches import Unpaid
from pipeline.store.wallet_ledger import Hold
from schema.message import Charge, Hint
from schema.vocabulary import Status


def pay(
    conn: Connection, now: datetime, unpaid: Unpaid, members: Sequence[UUID], charges: Sequence[Charge]
) -> tuple[list[Hint], list[Hold]]:
    """Charge the messages of a locked batch, or reject them; schedule or queue the batch.

    Return its hint if it may be delivered now, and the hold to pass to `wallet_ledger.hold_all`, once and last in the
    transaction.
    """
    message_moves.charge(conn, members, charges, now)
    hints = batches.paid(conn, unpaid.span.batch)
    if unpaid.subscribes:
        events.record(conn, billed(members, charges, is_queued=bool(hints)), now)
    return hints, holds(unpaid.account, unpaid.span.batch, unpaid.span.first, charges)


def billed(members: Sequence[UUID], charges: Sequence[Charge], *, is_queued: bool) -> Iterator[tuple[UUID, Status]]:
    """Yield the events of billed messages; those of a scheduled batch get `queued` when it is promoted."""
    for id_, charge in zip(members, charges, strict=True):
        if charge.refusal:
            yield id_, Status.REJECTED
        elif is_queued:
            yield id_, Status.QUEUED


def holds(account: int, batch: UUID, first: UUID, charges: Sequence[Charge]) -> list[Hold]:
    """Return what to hold for a batch whose first message is `first`: one hold, or none if nothing was charged."""
    amount, quota = sum(each.amount for each in charges), sum(each.quota for each in charges)
    return [Hold(account, batch, ids.month(first), amount, quota)] if amount or quota else []


def promote(conn: Connection, now: datetime, limit: int) -> list[Hint]:
    """Queue up to `limit` batches that are due by the database's clock; return their hints."""
    hints, subscribing = batches.promote(conn, limit)
    events.record_all(conn, [each.id for each in messages.undecided(conn, subscribing)], Status.QUEUED, now)
    return hints
