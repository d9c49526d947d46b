"""What a carrier's answer makes of a message: sent when it took it or may have, failed when it refused it for good."""

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from uuid import UUID

from pipeline.rules.lifecycle import ACCEPT, CONFIRM, FAIL, LEAVE_UNKNOWN
from pipeline.runtime import Connection
from pipeline.store import events, ledger, message_moves, messages
from pipeline.store.attempts import Trial
from pipeline.store.ledger import Moved
from schema.vocabulary import Code, Outcome, Status

#: by outcome: the move, the code, the status that is told; the other outcomes leave the message to another carrier
_MOVES = {
    Outcome.ACCEPTED: (ACCEPT, None, Status.SENT),
    Outcome.UNKNOWN: (LEAVE_UNKNOWN, None, Status.SENT),
    Outcome.REFUSED_PERMANENT: (FAIL, Code.CARRIER_REFUSED, Status.FAILED),
}


def apply(
    conn: Connection, now: datetime, trials: Sequence[Trial], resent: Set[UUID], subscribing: Set[UUID]
) -> list[Moved]:
    """Move messages as their first carriers' answers say; return the money to give back.

    What the batches in `resent` send once more keeps its status; money of it that was still held is captured when a
    carrier accepts it: its sender pays once. Events are written for the batches in `subscribing`.
    """
    if resent:
        _confirm_resent(conn, now, [each for each in trials if each.batch in resent])
        trials = [each for each in trials if each.batch not in resent]
    released: list[Moved] = []
    for outcome, (move, code, status) in _MOVES.items():
        these = [each for each in trials if each.attempt.outcome is outcome]
        moved = message_moves.move(conn, [each.attempt.ref for each in these], move, now, code)
        if subscribing:
            events.tell_all(conn, [each.attempt.ref for each in these if each.batch in subscribing], status, now)
        if move is ACCEPT:
            ledger.capture(conn, moved, now)
        else:
            released += moved
    return released


def _confirm_resent(conn: Connection, now: datetime, trials: Sequence[Trial]) -> None:
    """Capture what is still held of resent messages that a carrier accepted."""
    accepted = sorted(each.attempt.ref for each in trials if each.attempt.outcome is Outcome.ACCEPTED)
    confirm(conn, now, messages.lock_sent(conn, accepted))


def leave_unknown(conn: Connection, now: datetime, ids: Sequence[UUID]) -> None:
    """Move messages to sent that a worker may have submitted which is gone; their money stays held."""
    message_moves.move(conn, ids, LEAVE_UNKNOWN, now)
    events.tell_all(conn, ids, Status.SENT, now)


def confirm(conn: Connection, now: datetime, held: Iterable[UUID]) -> None:
    """Earn the money that is held for locked messages which were left unknown, and which a carrier is known to have."""
    ledger.capture(conn, message_moves.move_money(conn, sorted(held), CONFIRM), now)
