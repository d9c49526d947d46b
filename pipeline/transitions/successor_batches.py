"""Successor batches: what other batches did not place goes to another carrier, to the same one later, or once more."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol
from uuid import UUID

from pipeline.rules.identity import ids
from pipeline.rules.routing.failover import NextCarrier
from pipeline.runtime import Connection
from pipeline.store import batches, holds, message_moves
from schema.message import Batch, Hint
from schema.message_class import MessageClass
from schema.vocabulary import BatchStatus, HoldReason, ResendReason


class Origin(Protocol):
    """What a successor batch has from those whose messages it takes over."""

    @property
    def account(self) -> int:
        """Return whose messages they are."""

    @property
    def message_class(self) -> MessageClass:
        """Return their class."""

    @property
    def test(self) -> bool:
        """Tell whether they are test messages."""

    @property
    def valid_until(self) -> datetime:
        """Return when they expire."""

    @property
    def again(self) -> ResendReason | None:
        """Return why they are sent once more; None: they have not been sent."""


@dataclass(frozen=True, slots=True)
class Successor:
    """A batch to be written, and the messages that it takes over."""

    #: its id is given when it is written
    batch: Batch
    members: Sequence[UUID]


_NO_ID = UUID(int=0)


def successor(
    origin: Origin, to: NextCarrier, members: Sequence[UUID], now: datetime, snapshot: int | None = None
) -> Successor:
    """Return the batch that takes messages to a carrier: queued, waiting until `to.due_at`, or held.

    `snapshot`: what the carrier was chosen by.
    """
    look_at = now + holds.LOOK if to.held is HoldReason.CARRIER else now
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
        # who was passed over may be tried again when a carrier may be given messages, unless it had them
        tried=() if to.held and not origin.again else to.tried,
        snapshot=snapshot,
        again=origin.again,
        held=to.held,
    )
    return Successor(batch, members)


def write(conn: Connection, now: datetime, first: UUID, successors: Sequence[Successor]) -> list[Hint]:
    """Write batches, whose ids begin at `first`, and put their messages there; return those to deliver now."""
    if not successors:
        return []
    made = [replace(each.batch, id=ids.after(first, place)) for place, each in enumerate(successors)]
    moves = sorted(
        (id_, batch.id, batch.again is not None)
        for batch, each in zip(made, successors, strict=True)
        for id_ in each.members
    )
    message_moves.reassign(conn, moves)
    batches.write(conn, made, hinted_at=now)
    return [
        Hint(batch.id, batch.message_class, batch.carrier, batch.size)
        for batch in made
        if batch.status is BatchStatus.QUEUED and not batch.held
    ]
