"""Resolution of attempts with an unknown outcome: query, resend, wait, confirm or fail, by the carrier's abilities."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from pipeline.errors import ConfigurationError
from pipeline.rules.routing.unknown_outcomes import UnknownAction, UnknownCase, UnknownTimeouts, action, pause
from pipeline.runtime import Connection, Runtime
from pipeline.stages.resend.next_carrier import resend
from pipeline.store import carriers, messages, resendable, unknown_outcomes, wallet_ledger
from pipeline.store.unknown_outcomes import UnknownAttempt
from pipeline.store.wallet_ledger import Moved
from pipeline.transitions import attempt_results, final_statuses
from schema.message import Hint
from schema.vocabulary import CarrierState, Code, Outcome, ResendReason
from schema.vocabulary import UnknownAbility as Ability


@dataclass(slots=True)
class Looked:
    """Result of resolving unknown attempts."""

    #: number of attempts that were processed
    count: int
    hints: list[Hint] = field(default_factory=list)
    #: carrier → messages to query it for
    asks: defaultdict[str, list[UUID]] = field(default_factory=lambda: defaultdict(list))


#: an unknown attempt, and the facts that decide about it
_Case = tuple[UnknownAttempt, UnknownCase]


def look(rt: Runtime, conn: Connection, limit: int) -> Looked:
    """Query, resend, postpone, confirm or fail the unknown attempts that are due, up to `limit`; return the result."""
    found = unknown_outcomes.due(conn, limit)
    looked = Looked(len(found))
    if not found:
        return looked
    now = rt.now()
    held = messages.lock_sent(conn, [each.message for each in found])
    timeout = UnknownTimeouts(rt.settings.doubt_seconds_otp, rt.settings.doubt_minutes * 60)
    cases: defaultdict[UnknownAction, list[_Case]] = defaultdict(list)
    for each, question in _questions(rt, conn, found):
        cases[_action(each, question, timeout)].append((each, question))
    attempt_results.confirm(conn, now, held.intersection(_ids(cases[UnknownAction.CONFIRM])))
    released = _fail(conn, now, cases, held)
    later, over = _send_again(rt, conn, cases, looked)
    later += cases[UnknownAction.WAIT] + cases[UnknownAction.QUERY]
    over += (
        cases[UnknownAction.CONFIRM]
        + cases[UnknownAction.FAIL]
        + cases[UnknownAction.EXPIRE]
        + cases[UnknownAction.LEAVE]
    )
    unknown_outcomes.postpone(
        conn, [each for each, _ in later], [pause(question, timeout, each.checks) for each, question in later]
    )
    unknown_outcomes.resolve(conn, [each for each, _ in over])
    for each, _ in cases[UnknownAction.QUERY]:
        looked.asks[each.carrier].append(each.message)
    wallet_ledger.release(conn, released, now)
    return looked


def _ids(cases: Iterable[_Case]) -> list[UUID]:
    return sorted({each.message for each, _ in cases})


def _action(doubt: UnknownAttempt, question: UnknownCase, timeout: UnknownTimeouts) -> UnknownAction:
    """Return the action for an unknown attempt; LEAVE if the message no longer depends on it."""
    if doubt.is_over or (doubt.is_overtaken and doubt.late is not Outcome.ACCEPTED):
        return UnknownAction.LEAVE
    word = action(question, timeout)
    # the message has not failed as long as another carrier may have it
    return UnknownAction.LEAVE if word in (UnknownAction.FAIL, UnknownAction.EXPIRE) and doubt.is_shared else word


def _questions(rt: Runtime, conn: Connection, found: Sequence[UnknownAttempt]) -> list[_Case]:
    abilities = _abilities(rt, conn, {each.carrier for each in found})
    cases = []
    for each in found:
        ability, window = abilities.get(each.carrier, (Ability.BLIND, 0.0))
        question = UnknownCase(
            each.message_class, each.late, ability, window, each.age, each.rest, each.repeats, each.left
        )
        cases.append((each, question))
    return cases


def _abilities(rt: Runtime, conn: Connection, names: set[str]) -> dict[str, tuple[Ability, float]]:
    """Return carrier → its ability to resolve unknown outcomes, and for how many seconds it detects duplicates.

    A drained carrier, or any if resends are disabled, can at most be queried.
    """
    found = {}
    for row in carriers.all_of(conn):
        if row.name in names:
            try:
                carrier = rt.carrier(row.name, row.kind, row.settings)
            except ConfigurationError:
                continue
            takes = row.state is CarrierState.ACTIVE and rt.settings.resends > 0
            able = carrier.unknown_ability if takes or carrier.unknown_ability is Ability.QUERYABLE else Ability.BLIND
            found[row.name] = (able, carrier.dedupe_seconds)
    return found


def _send_again(
    rt: Runtime, conn: Connection, cases: Mapping[UnknownAction, Sequence[_Case]], looked: Looked
) -> tuple[list[_Case], list[_Case]]:
    """Write batches for the same carriers and for others; return the cases to check later, and those to leave.

    A case is left if its message was resent as often as allowed and no further answer can be expected.
    """
    later: list[_Case] = []
    over: list[_Case] = []
    for word, why in (
        (UnknownAction.RESEND_SAME, ResendReason.REPEAT),
        (UnknownAction.RESEND_OTHER, ResendReason.DOUBT),
    ):
        those = resendable.of(conn, _ids(cases.get(word, ())))
        resent = resend(rt, conn, those, why)
        looked.hints += resent.hints
        left = {each.id: not each.is_whole or each.resends >= rt.settings.resends for each in resent.left}
        for doubt, question in cases.get(word, ()):
            is_spent = left.get(doubt.message, False) and question.late in (None, Outcome.UNKNOWN)
            if doubt.message in left and question.ability is Ability.QUERYABLE:
                looked.asks[doubt.carrier].append(doubt.message)
                is_spent = False
            (over if is_spent else later).append((doubt, question))
    return later, over


def _fail(
    conn: Connection, now: datetime, cases: Mapping[UnknownAction, Sequence[_Case]], held: Set[UUID]
) -> list[Moved]:
    """Fail messages that no carrier has, as undelivered if one reported that before; return the money to release."""
    ended: defaultdict[Code, list[UUID]] = defaultdict(list)
    for word, code in ((UnknownAction.FAIL, Code.CARRIER_REFUSED), (UnknownAction.EXPIRE, Code.EXPIRED)):
        for each, _ in cases.get(word, ()):
            ended[Code.UNDELIVERED if each.was_undelivered else code].append(each.message)
    released: list[Moved] = []
    for code, messages_ in ended.items():
        released += final_statuses.fail_sent(conn, now, sorted(set(messages_)), code, held).released
    return released
