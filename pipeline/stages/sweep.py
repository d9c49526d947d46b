"""Sweep: mend what a death, a lost hint or a silence left behind. Safe to run twice and by several at once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Connection, Runtime
from pipeline.store import advisory_locks, attempts, batches, events, leases, ledger, messages
from pipeline.store.leases import Lost
from pipeline.store.messages import Moved, Span
from schema.message import Hint
from schema.vocabulary import BatchStatus, Code, Money, ResendReason, Status

log = logging.getLogger(__name__)

#: batches or messages one sweep takes on of each kind
PORTION = 500


@dataclass(frozen=True, slots=True)
class Swept:
    """What should be hinted again."""

    admitted: list[Hint]
    queued: list[Hint]


def sweep(rt: Runtime) -> Swept:
    """Take back batches of silent workers, find those nobody was told of, end what stayed in doubt too long."""
    with rt.begin() as conn:
        if not advisory_locks.is_mine(conn, "sweep"):
            return Swept([], [])
        requeued, released = _take_back(rt, conn)
        admitted, more = _find_admitted(rt, conn)
        queued = batches.stale(conn, BatchStatus.QUEUED, rt.settings.stale_seconds, PORTION)
        ledger.release(conn, released + more + _end_unknown(rt, conn))
    return Swept(admitted, requeued + queued)


def _take_back(rt: Runtime, conn: Connection) -> tuple[list[Hint], list[Moved]]:
    """Write down what lost workers left in doubt and queue the rest; park what keeps killing them."""
    lost = leases.lost(conn, PORTION)
    attempts.doubt(conn, [each for each in lost if each.again])
    doubtful = attempts.doubt(conn, [each for each in lost if not each.again])
    moved = messages.move(conn, doubtful, Status.SENT, Money.HELD, at=rt.now())
    _tell(rt, conn, doubtful, Status.SENT)
    poison = [each for each in lost if each.in_hand and each.claims >= rt.settings.poison_claims]
    released = moved + _park(rt, conn, [each.span for each in poison])
    undelivered = [each.span for each in poison if each.again is ResendReason.UNDELIVERED]
    released += _fail(rt, conn, [each.id for each in messages.untaken(conn, undelivered)], Code.UNDELIVERED)
    leases.finish(conn, [each.span.batch for each in poison])
    return leases.requeue(conn, _batches(lost)), released


def _batches(lost: Sequence[Lost]) -> list[UUID]:
    return [each.span.batch for each in lost]


def _park(rt: Runtime, conn: Connection, spans: Sequence[Span], status: Status = Status.FAILED) -> list[Moved]:
    """End the messages of these batches that nobody may touch any more."""
    if not spans:
        return []
    for span in spans:
        log.error("batch %s is put aside: it failed too often", span.batch)
    stuck = [each.id for each in messages.undecided(conn, spans)]
    moved = messages.move(conn, stuck, status, Money.RELEASED, at=rt.now(), code=Code.POISON)
    _tell(rt, conn, stuck, status)
    return moved


def _find_admitted(rt: Runtime, conn: Connection) -> tuple[list[Hint], list[Moved]]:
    parked = batches.park_admitted(conn, rt.settings.poison_claims, PORTION)
    released = _park(rt, conn, parked, Status.REJECTED)
    return batches.stale(conn, BatchStatus.ADMITTED, rt.settings.stale_seconds, PORTION), released


def _end_unknown(rt: Runtime, conn: Connection) -> list[Moved]:
    """Fail messages whose unknown attempt nobody cleared up in time, in the customer's favour."""
    doubtful = attempts.unresolved(conn, rt.settings.doubt_hours, PORTION)
    lost = [id_ for id_, was_undelivered in doubtful.items() if was_undelivered]
    released = _fail(rt, conn, lost, Code.UNDELIVERED)
    return released + _fail(rt, conn, sorted(doubtful.keys() - set(lost)), Code.UNRESOLVED)


def _fail(rt: Runtime, conn: Connection, those: Sequence[UUID], code: Code) -> list[Moved]:
    """Fail sent messages; return the money that was held for them still."""
    released = messages.end_doubt(conn, those, Money.RELEASED)
    failed = messages.conclude(conn, those, Status.FAILED, code)
    _tell(rt, conn, sorted(failed), Status.FAILED)
    return released


def _tell(rt: Runtime, conn: Connection, moved: Sequence[UUID], status: Status) -> None:
    events.tell_all(conn, rt.new_ids(), moved, status, rt.now())
