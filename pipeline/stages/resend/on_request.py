"""Resends that a person asks for: the next messages of a message job.

The rules are those of the clock's resends, but nothing waits for a deadline, and the class decides nothing: a message
whose outcome is unknown, or whose receipt is missing, goes to a carrier that was not tried. It may arrive twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from pipeline.runtime import Connection, Runtime
from pipeline.stages.resend.next_carrier import obstacle, resend, without_carrier
from pipeline.store import batches, message_jobs, messages, resendable
from pipeline.store.resendable import ResendableMessage
from schema.message import Hint
from schema.vocabulary import MessageJobResult, MessageOperation, ResendReason

#: messages of a job that one transaction resends
PORTION = 500


@dataclass(frozen=True, slots=True)
class ResentPortion:
    """Result of a portion of a job."""

    #: batches to deliver
    hints: list[Hint]
    #: messages that have a result now; 0: there was nothing to do
    count: int


def obstacles(rt: Runtime, wanted: Sequence[UUID]) -> dict[UUID, MessageJobResult]:
    """Return why sent messages may not be resent now, by message; those that may are not in it. Nothing is changed."""
    with rt.read_only() as conn:
        now = batches.clock(conn)
        found = resendable.seen(conn, wanted)
        known = {each.id: obstacle(each, _reason(each), now, rt.settings.resends) for each in found}
        open_ = [each for each in found if known[each.id] is None]
        known |= dict.fromkeys(without_carrier(rt, conn, open_) if open_ else (), MessageJobResult.NO_CARRIER)
    return {each: known.get(each) or MessageJobResult.UNDER_WAY for each in wanted if each not in known or known[each]}


def resend_portion(rt: Runtime) -> ResentPortion:
    """Resend the next messages of a message job, and store what became of each.

    Both in one transaction: if it fails nothing has happened. The job's own entry in the audit log stands for all.
    """
    with rt.begin() as conn:
        portion = message_jobs.take(conn, MessageOperation.RESEND, PORTION)
        if portion is None:
            return ResentPortion([], 0)
        results, hints = _resend(rt, conn, portion.account, portion.messages)
        message_jobs.record(conn, portion, results, rt.now())
    return ResentPortion(hints, len(portion.messages))


def _resend(
    rt: Runtime, conn: Connection, account: int, wanted: Sequence[UUID]
) -> tuple[dict[UUID, MessageJobResult], list[Hint]]:
    own = messages.batches_of(conn, wanted, account)
    results = {each: MessageJobResult.TOO_LATE if each in own else MessageJobResult.GONE for each in wanted}
    found = resendable.of(conn, list(own))
    hints: list[Hint] = []
    now = batches.clock(conn)
    for why in (ResendReason.DOUBT, ResendReason.SILENCE):
        those = [each for each in found if _reason(each) is why]
        if not those:
            continue
        resent = resend(rt, conn, those, why)
        hints += resent.hints
        results |= {each.id: MessageJobResult.RESENT for each in those}
        results |= {
            each.id: obstacle(each, why, now, rt.settings.resends) or MessageJobResult.NO_CARRIER
            for each in resent.left
        }
    return results, hints


def _reason(message: ResendableMessage) -> ResendReason:
    return ResendReason.SILENCE if message.is_accepted else ResendReason.DOUBT
