"""Candidates for a resend: unknown outcomes, retryable failures and missing receipts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Connection, Runtime
from pipeline.stages.resend import unknown_outcomes
from pipeline.stages.resend.next_carrier import resend
from pipeline.store import advisory_locks, missing_receipts, receipts, resendable, wallet_ledger
from pipeline.store.receipt_id_matching import match_spellings
from pipeline.store.receipts import Matched
from pipeline.transitions import final_statuses, part_verdicts
from schema.message import Hint
from schema.vocabulary import Code, ReceiptState, ResendReason

#: maximum number of candidates of one transaction, and of transactions of one call
PORTION, ROUNDS = 500, 20
#: seconds after unreadable receipts of a carrier in which its receipts do not count as missing
LATELY = 3600.0


@dataclass(frozen=True, slots=True)
class ResendResult:
    """The batches to deliver and the status queries to make."""

    #: batches to deliver
    hints: list[Hint]
    #: carrier → messages to query it for
    asks: dict[str, list[UUID]]


@dataclass(slots=True)
class _Part:
    """Result of one transaction."""

    hints: list[Hint]
    #: there may be more
    is_full: bool


def resend_due(rt: Runtime) -> ResendResult:
    """Resend what is due: unknown outcomes, undelivered messages, missing receipts; return new batches and queries.

    Each kind in transactions of its own, so that rows are locked in one order.
    """
    asks: dict[str, list[UUID]] = {}

    def in_doubt(conn: Connection) -> _Part:
        looked = unknown_outcomes.look(rt, conn, PORTION)
        for carrier, those in looked.asks.items():
            asks.setdefault(carrier, []).extend(those)
        return _Part(looked.hints, looked.count == PORTION)

    looks: dict[str, Callable[[Connection], _Part]] = {
        "doubts": in_doubt,
        "failures": lambda conn: _failures(rt, conn),
        "silences": lambda conn: _missing_receipts(rt, conn),
    }
    return ResendResult([hint for name, look in looks.items() for hint in _all_of(rt, name, look)], asks)


def _all_of(rt: Runtime, name: str, look: Callable[[Connection], _Part]) -> list[Hint]:
    hints: list[Hint] = []
    for _ in range(ROUNDS):
        with rt.begin() as conn:
            found = look(conn) if advisory_locks.is_mine(conn, f"resend {name}") else _Part([], is_full=False)
        hints += found.hints
        if not found.is_full:
            break
    return hints


def _failures(rt: Runtime, conn: Connection) -> _Part:
    """Resend undelivered messages that another carrier might deliver; fail the rest."""
    now = rt.now()
    found = receipts.due(conn, PORTION, now, retryable=True)
    known = [each for each in found if not each.waits]
    respelt = match_spellings(conn, [each.receipt for each in found if each.message is None], now)
    waiting = [each.receipt for each in found if each.waits and each.receipt not in respelt]
    receipts.postpone(conn, waiting, rt.settings.orphan_hours)
    part_verdicts.judge(conn, [each for each in known if each.is_part])
    those = resendable.of(conn, sorted({each.message for each in known if each.message and each.is_latest}))
    resent = resend(rt, conn, those, ResendReason.UNDELIVERED)
    undelivered = final_statuses.fail_sent(conn, now, [each.id for each in resent.left], Code.UNDELIVERED)
    _close(conn, known, {each.id for each in those})
    wallet_ledger.release(conn, undelivered.released, now)
    return _Part(resent.hints, len(found) == PORTION)


def _close(conn: Connection, known: Sequence[Matched], touched: set[UUID]) -> None:
    """Close receipts: as applied if of the latest attempt of a message in `touched`, else as ignored."""
    did = [each.receipt for each in known if each.is_latest and each.message in touched]
    receipts.close(conn, did, ReceiptState.APPLIED)
    receipts.close(conn, [each.receipt for each in known if each.receipt not in did], ReceiptState.IGNORED)


def _missing_receipts(rt: Runtime, conn: Connection) -> _Part:
    """Resend messages whose receipts are overdue; redact the texts of expired codes, keeping their length."""
    due = missing_receipts.due(conn, PORTION)
    missing_receipts.redact(
        conn, due.expired
    )  # first: their ids are lower, and messages are locked in order of their ids
    those = resendable.of(conn, sorted(missing_receipts.without_receipt(conn, due.overdue, LATELY)))
    return _Part(resend(rt, conn, those, ResendReason.SILENCE).hints, due.count == PORTION)
