"""Final statuses of messages: rejected, cancelled, failed, expired, delivered; each with its money and its event.

Money that is given back is returned, not moved: `ledger.release` locks wallets, and is called once and last in a
transaction.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from pipeline.rules.lifecycle import CANCEL, DELIVER, FAIL, FAIL_DELIVERY, GIVE_UP, REJECT, REJECT_UNPAID, Move
from pipeline.runtime import Connection
from pipeline.store import events, ledger, message_moves, messages
from pipeline.store.ledger import Moved
from pipeline.store.message_moves import Ended
from schema.vocabulary import Code, ResendReason, Status


@dataclass(frozen=True, slots=True)
class End:
    """Messages of one batch that no carrier is given any more."""

    ids: Sequence[UUID]
    code: Code
    #: their batch's: why they are sent once more; None: they have not been sent
    again: ResendReason | None
    #: their account wants events; where that is not known, True
    subscribes: bool = True
    #: no carrier was asked
    is_rejected: bool = False


def end(conn: Connection, now: datetime, ends: Iterable[End]) -> list[Moved]:
    """Reject or fail messages that no carrier is given any more; return the money to give back.

    Of those that were sent before only the undeliverable have come to their end, whatever kept them from being sent
    once more: a carrier may yet report the others.
    """
    unsent: defaultdict[tuple[Move, Code], list[UUID]] = defaultdict(list)
    undelivered: list[UUID] = []
    moves: list[tuple[UUID, Status]] = []
    for each in ends:
        if each.again is None:
            move, status = (REJECT, Status.REJECTED) if each.is_rejected else (FAIL, Status.FAILED)
            unsent[move, each.code] += each.ids
            if each.subscribes:
                moves += [(id_, status) for id_ in each.ids]
        elif each.again is ResendReason.UNDELIVERED:
            undelivered += each.ids
    released: list[Moved] = []
    for (move, code), ids in unsent.items():
        released += message_moves.move(conn, ids, move, now, code)
    events.tell(conn, moves, now)
    held = messages.lock_sent(conn, sorted(undelivered))
    return released + fail_sent(conn, now, undelivered, Code.UNDELIVERED, held).released


def reject_unpaid(conn: Connection, now: datetime, ids: Sequence[UUID], code: Code) -> None:
    """Reject messages that were accepted and not paid for yet."""
    message_moves.move(conn, ids, REJECT_UNPAID, now, code)
    events.tell_all(conn, ids, Status.REJECTED, now)


def cancel(conn: Connection, now: datetime, ids: Sequence[UUID]) -> list[Moved]:
    """Cancel messages whose batch is locked; return the money to give back."""
    released = message_moves.move(conn, ids, CANCEL, now)
    events.tell_all(conn, ids, Status.CANCELLED, now)
    return released


class Failed(NamedTuple):
    """Sent messages that failed."""

    ids: set[UUID]
    #: the money to give back
    released: list[Moved]


def fail_sent(
    conn: Connection, now: datetime, ids: Sequence[UUID], code: Code, held: Set[UUID] | None = None
) -> Failed:
    """Fail sent messages that are locked.

    `held`: those whose money is still held, as `messages.lock_sent` says; None: it is looked for.
    """
    move = FAIL_DELIVERY if code is Code.UNDELIVERED else GIVE_UP
    released = message_moves.move_money(conn, _held(ids, held), move)
    ended = message_moves.end(conn, ids, move, now, code)
    _tell(conn, now, ended, Status.FAILED)
    return Failed(ended.ids, released)


def deliver(conn: Connection, now: datetime, ids: Sequence[UUID], held: Set[UUID] | None = None) -> set[UUID]:
    """Move messages to delivered that are locked: sent ones, and those that failed though a carrier may have had them.

    Return those that moved. `held` as in `fail_sent`.
    """
    ledger.capture(conn, message_moves.move_money(conn, _held(ids, held), DELIVER), now)
    delivered = message_moves.end(conn, ids, DELIVER, now)
    _tell(conn, now, delivered, Status.DELIVERED)
    if len(delivered.ids) == len(ids):
        return delivered.ids
    revoked = message_moves.revoke(conn, sorted(set(ids) - delivered.ids), now)
    _tell(conn, now, revoked, Status.DELIVERED)
    return delivered.ids | revoked.ids


def _held(ids: Sequence[UUID], held: Set[UUID] | None) -> Sequence[UUID]:
    return ids if held is None else [id_ for id_ in ids if id_ in held]


def _tell(conn: Connection, now: datetime, ended: Ended, status: Status) -> None:
    if ended.listens:
        events.tell_all(conn, sorted(ended.ids), status, now)
