"""Final statuses of messages: rejected, cancelled, failed, expired, delivered; each with its money and event.

Money to release is returned, not released: `wallet_ledger.release` locks wallets, and is called once and last in a
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
from pipeline.store import events, message_moves, messages, wallet_ledger
from pipeline.store.message_moves import Ended
from pipeline.store.wallet_ledger import Moved
from schema.vocabulary import Code, ResendReason, Status


@dataclass(frozen=True, slots=True)
class End:
    """Messages of one batch that go to no further carrier."""

    ids: Sequence[UUID]
    code: Code
    #: the resend reason of their batch; None: it is not a resend
    resend_reason: ResendReason | None
    #: whether events are written for their account; True if that is not known
    subscribes: bool = True
    #: no carrier was tried: the status is rejected instead of failed
    is_rejected: bool = False


def end(conn: Connection, now: datetime, ends: Iterable[End]) -> list[Moved]:
    """Reject or fail messages that go to no further carrier; return the money to release.

    Of resends only the undelivered ones fail, whatever prevented the resend: a carrier may still report the others as
    delivered.
    """
    unsent: defaultdict[tuple[Move, Code], list[UUID]] = defaultdict(list)
    undelivered: list[UUID] = []
    moves: list[tuple[UUID, Status]] = []
    for each in ends:
        if each.resend_reason is None:
            move, status = (REJECT, Status.REJECTED) if each.is_rejected else (FAIL, Status.FAILED)
            unsent[move, each.code] += each.ids
            if each.subscribes:
                moves += [(id_, status) for id_ in each.ids]
        elif each.resend_reason is ResendReason.UNDELIVERED:
            undelivered += each.ids
    held = messages.lock_sent(conn, sorted(undelivered))
    released: list[Moved] = []
    for (move, code), ids in unsent.items():
        released += message_moves.move(conn, ids, move, now, code)
    events.record(conn, moves, now)
    return released + fail_sent(conn, now, undelivered, Code.UNDELIVERED, held).released


def reject_unpaid(conn: Connection, now: datetime, ids: Sequence[UUID], code: Code) -> None:
    """Reject accepted messages that are not billed yet."""
    message_moves.move(conn, ids, REJECT_UNPAID, now, code)
    events.record_all(conn, ids, Status.REJECTED, now)


def cancel(conn: Connection, now: datetime, ids: Sequence[UUID]) -> list[Moved]:
    """Cancel messages whose batch is locked; return the money to release."""
    released = message_moves.move(conn, ids, CANCEL, now)
    events.record_all(conn, ids, Status.CANCELLED, now)
    return released


class Failed(NamedTuple):
    """Sent messages that failed."""

    ids: set[UUID]
    #: the money to release
    released: list[Moved]


def fail_sent(
    conn: Connection, now: datetime, ids: Sequence[UUID], code: Code, held: Set[UUID] | None = None
) -> Failed:
    """Fail sent messages that are locked; return those that changed, and the money to release.

    `held`: those whose money is still held, as `messages.lock_sent` returns; None: all are tried.
    """
    move = FAIL_DELIVERY if code is Code.UNDELIVERED else GIVE_UP
    released = message_moves.move_money(conn, _held(ids, held), move, now)
    ended = message_moves.end(conn, ids, move, now, code)
    _record_events(conn, now, ended, Status.FAILED)
    return Failed(ended.ids, released)


def deliver(conn: Connection, now: datetime, ids: Sequence[UUID], held: Set[UUID] | None = None) -> set[UUID]:
    """Set locked messages to delivered: sent ones, and failed ones that a carrier may have had.

    Return those that changed. `held` as in `fail_sent`.
    """
    wallet_ledger.capture(conn, message_moves.move_money(conn, _held(ids, held), DELIVER, now), now)
    delivered = message_moves.end(conn, ids, DELIVER, now)
    _record_events(conn, now, delivered, Status.DELIVERED)
    if len(delivered.ids) == len(ids):
        return delivered.ids
    revoked = message_moves.revoke(conn, sorted(set(ids) - delivered.ids), now)
    _record_events(conn, now, revoked, Status.DELIVERED)
    return delivered.ids | revoked.ids


def _held(ids: Sequence[UUID], held: Set[UUID] | None) -> Sequence[UUID]:
    return ids if held is None else [id_ for id_ in ids if id_ in held]


def _record_events(conn: Connection, now: datetime, ended: Ended, status: Status) -> None:
    if ended.listens:
        events.record_all(conn, sorted(ended.ids), status, now)
