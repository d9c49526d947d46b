"""What is made of attempts that were left unknown, by what their carrier is able to do."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from pipeline.errors import ConfigurationError
from pipeline.rules import doubts
from pipeline.rules.doubts import Course
from pipeline.runtime import Connection, Runtime
from pipeline.stages.retake.resend import resend
from pipeline.store import carriers, events, ledger, messages, sent
from pipeline.store.sent import Doubt
from schema.message import Hint
from schema.vocabulary import Again, CarrierState, Code, Money, Status
from schema.vocabulary import Doubt as Ability

#: attempts one look takes on
PORTION = 500


@dataclass(slots=True)
class Looked:
    """What came of a look at doubts."""

    hints: list[Hint] = field(default_factory=list)
    #: carrier → messages to ask it about
    asks: dict[str, list[UUID]] = field(default_factory=dict)


def look(rt: Runtime, conn: Connection) -> Looked:
    """Ask, send once more, wait, or let be: whatever each doubt's carrier and class allow by now."""
    found = sent.doubts(conn, PORTION)
    if not found:
        return Looked()
    abilities = _abilities(rt, conn, {each.carrier for each in found})
    by_course: defaultdict[Course, list[Doubt]] = defaultdict(list)
    patience = doubts.Patience(rt.settings.doubt_seconds_otp, rt.settings.doubt_minutes * 60)
    for each in found:
        ability, window = abilities.get(each.carrier, (Ability.BLIND, 0.0))
        question = doubts.Question(each.message_class, each.late, ability, window, each.age, each.left)
        by_course[doubts.course(question, patience)].append(each)
    looked = Looked()
    _earn(conn, by_course[Course.EARN])
    _fail(rt, conn, by_course[Course.FAIL])
    for course, same in ((Course.ELSEWHERE, False), (Course.SAME, True)):
        these = by_course[course]
        looked.hints += resend(rt, conn, _of(conn, these), Again.DOUBT, same=same).hints
        sent.resolve(conn, these)
    sent.resolve(conn, by_course[Course.LEAVE])
    sent.put_off(conn, by_course[Course.ASK], asked=True)
    for each in by_course[Course.ASK]:
        looked.asks.setdefault(each.carrier, []).append(each.message)
    return looked


def _of(conn: Connection, these: Sequence[Doubt]) -> list[sent.Sent]:
    """Return the doubts' messages of which no later attempt was made."""
    last = {each.message: each.n for each in these}
    return [each for each in sent.of(conn, sorted(last)) if each.tries == last[each.id]]


def _abilities(rt: Runtime, conn: Connection, names: set[str]) -> dict[str, tuple[Ability, float]]:
    """Return what each carrier can do about a doubt, and for how many seconds it knows a reference again."""
    found = {}
    for row in carriers.all_of(conn):
        if row.name in names:
            try:
                carrier = rt.carrier(row.name, row.kind, row.settings)
            except ConfigurationError:
                continue
            is_there = row.state is CarrierState.ACTIVE
            found[row.name] = (carrier.doubt if is_there else Ability.BLIND, carrier.dedupe_seconds)
    return found


def _earn(conn: Connection, these: Sequence[Doubt]) -> None:
    """The carrier has them after all: earn what was held."""
    ledger.capture(conn, messages.end_doubt(conn, sorted(each.message for each in these), Money.CAPTURED))
    sent.resolve(conn, these)


def _fail(rt: Runtime, conn: Connection, these: Sequence[Doubt]) -> None:
    """The carrier refused them for good after all, and nobody else has them."""
    refused = [each.id for each in _of(conn, these)]
    released = messages.end_doubt(conn, refused, Money.RELEASED)
    failed = messages.conclude(conn, refused, Status.FAILED, Code.CARRIER_REFUSED)
    events.tell_all(conn, rt.mint(), sorted(failed), Status.FAILED, rt.now())
    sent.resolve(conn, these)
    ledger.release(conn, released)
