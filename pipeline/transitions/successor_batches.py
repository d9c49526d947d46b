"""Successor batches: messages of other batches for failover to another carrier, a later retry, or a resend."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.rules.routing.failover import NextCarrier
from pipeline.runtime import Connection
from pipeline.store import batches, held_batches, message_moves
from schema.message import Batch, Hint
from schema.message_class import MessageClass
from schema.vocabulary import BatchStatus, HoldReason, ResendReason


class Origin(Protocol):
    """Properties that a successor batch inherits from the batch whose messages it takes over."""

    @property
    def account(self) -> int:
        """Return the account id."""

    @property
    def message_class(self) -> MessageClass:
        """Return the message class."""

    @property
    def test(self) -> bool:
        """Return whether they are test messages."""

    @property
    def valid_until(self) -> datetime:
        """Return when the messages expire."""

    @property
    def resend_reason(self) -> ResendReason | None:
        """Return the resend reason; None: it is not a resend."""

    @property
    def campaign(self) -> UUID | None:
        """Return the campaign of the messages."""


@dataclass(frozen=True, slots=True)
class Successor:
    """A batch to be written, and the messages that it takes over."""

    #: its id is assigned by `write`
    batch: Batch
    members: Sequence[UUID]


_NO_ID = UUID(int=0)


def successor(
    origin: Origin, to: NextCarrier, members: Sequence[UUID], now: datetime, snapshot: int | None = None
) -> Successor:
    """Return a batch of these messages for a carrier, not written yet: queued, waiting until `to.due_at`, or held.

    `snapshot`: id of the routing snapshot by which the carrier was chosen.
    """
    look_at = now + held_batches.LOOK if to.held is HoldReason.CARRIER else now
    batch = Batch(
        id=_NO_ID,
        account=origin.account,
        message_class=origin.message_class,
        carrier=to.carrier,
        test=origin.test,
        status=BatchStatus.WAITING if to.due_at else BatchStatus.QUEUED,
        due_at=to.due_at or look_at,
        valid_until=origin.valid_until,
        size=len(members),
        first=min(members),
        last=max(members),
        attempt=to.attempt,
        round=to.round,
        # one that is held for want of a carrier may go to any when it is released, unless it is a resend
        tried=() if to.held is HoldReason.CARRIER and not origin.resend_reason else to.tried,
        snapshot=snapshot,
        resend_reason=origin.resend_reason,
        held=to.held,
        campaign=origin.campaign,
    )
    return Successor(batch, members)


def write(conn: Connection, now: datetime, first: UUID, successors: Sequence[Successor]) -> list[Hint]:
    """Write batches, with ids from `first` on, and move their messages there; return hints of those deliverable now.

    `now`: the database's time, by which hints are repeated.
    """
    if not successors:
        return []
    made = [replace(each.batch, id=ids.after(first, place)) for place, each in enumerate(successors)]
    moves = sorted(
        (id_, batch.id, batch.resend_reason is not None)
        for batch, each in zip(made, successors, strict=True)
        for id_ in each.members
    )
    batches.write(conn, made, hinted_at=now)
    message_moves.reassign(conn, moves, now)
    return [
        Hint(batch.id, batch.message_class, batch.carrier, batch.size)
        for batch in made
        if batch.status is BatchStatus.QUEUED and not batch.held
    ]
