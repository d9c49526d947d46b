"""Results of attempts: a message becomes sent if accepted or unknown, failed if refused permanently."""

from collections.abc import Iterable, Sequence, Set
from datetime import datetime
from uuid import UUID

from pipeline.rules.lifecycle import ACCEPT, CONFIRM, FAIL, LEAVE_UNKNOWN
from pipeline.runtime import Connection
from pipeline.store import events, message_moves, messages, wallet_ledger
from pipeline.store.attempts import Trial
from pipeline.store.wallet_ledger import Moved
from schema.vocabulary import Code, Outcome, Status

#: outcome → move, error code, status of the event; after other outcomes the message goes to another carrier
_MOVES = {
    Outcome.ACCEPTED: (ACCEPT, None, Status.SENT),
    Outcome.UNKNOWN: (LEAVE_UNKNOWN, None, Status.SENT),
    Outcome.REFUSED_PERMANENT: (FAIL, Code.CARRIER_REFUSED, Status.FAILED),
}


def apply(
    conn: Connection, now: datetime, trials: Sequence[Trial], resent: Set[UUID], subscribing: Set[UUID]
) -> list[Moved]:
    """Change the status of messages by the outcomes of their attempts; return the money to release.

    Messages of the batches in `resent` keep their status; money of theirs that is still held is captured when a
    carrier accepts them: the sender pays once. Events are written for the batches in `subscribing`.
    """
    if resent:
        _confirm_resent(conn, now, [each for each in trials if each.batch in resent])
        trials = [each for each in trials if each.batch not in resent]
    released: list[Moved] = []
    for outcome, (move, code, status) in _MOVES.items():
        these = [each for each in trials if each.attempt.outcome is outcome]
        moved = message_moves.move(conn, [each.attempt.ref for each in these], move, now, code)
        if subscribing:
            events.record_all(conn, [each.attempt.ref for each in these if each.batch in subscribing], status, now)
        if move is ACCEPT:
            wallet_ledger.capture(conn, moved, now)
        else:
            released += moved
    return released


def _confirm_resent(conn: Connection, now: datetime, trials: Sequence[Trial]) -> None:
    """Capture the money still held for resent messages that a carrier accepted."""
    accepted = sorted(each.attempt.ref for each in trials if each.attempt.outcome is Outcome.ACCEPTED)
    confirm(conn, now, messages.lock_sent(conn, accepted))


def leave_unknown(conn: Connection, now: datetime, ids: Sequence[UUID]) -> None:
    """Set messages to sent that a lost worker may have submitted; their money stays held."""
    message_moves.move(conn, ids, LEAVE_UNKNOWN, now)
    events.record_all(conn, ids, Status.SENT, now)


def confirm(conn: Connection, now: datetime, held: Iterable[UUID]) -> None:
    """Capture the money held for locked messages with an unknown outcome that a carrier is known to have accepted."""
    wallet_ledger.capture(conn, message_moves.move_money(conn, sorted(held), CONFIRM, now), now)
