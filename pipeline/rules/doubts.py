"""What is done about a message that its carrier may have, by what the carrier can do and what the message is."""

from dataclasses import dataclass
from enum import StrEnum

from schema.vocabulary import Doubt, MessageClass, Outcome


class Course(StrEnum):
    """What is done now."""

    #: nothing yet
    WAIT = "wait"
    #: the carrier is asked
    ASK = "ask"
    #: the carrier has it: its price is earned
    EARN = "earn"
    #: the carrier refused it for good
    FAIL = "fail"
    #: the same carrier gets it again, which knows our reference
    SAME = "same"
    #: another carrier gets it
    ELSEWHERE = "elsewhere"
    #: nothing any more: a receipt may yet say what became of it
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Question:
    """One unknown attempt."""

    message_class: MessageClass
    #: what a carrier or a worker said of it since; None: nothing
    late: Outcome | None
    ability: Doubt
    #: DEDUPES: seconds within which the carrier takes a reference once
    window: float
    #: seconds since its bytes may have gone out
    age: float
    #: seconds until the message is worth nothing any more
    left: float


@dataclass(frozen=True, slots=True)
class Patience:
    """How many seconds a doubt may last before another carrier is given the message."""

    otp: float
    transactional: float


#: what late words mean
_LATE = {
    Outcome.ACCEPTED: Course.EARN,
    Outcome.REFUSED_PERMANENT: Course.FAIL,
    Outcome.REFUSED_TRANSIENT: Course.ELSEWHERE,
    Outcome.NOT_WRITTEN: Course.ELSEWHERE,
}
#: seconds before the same carrier gets a message again: what made it silent may be over then
_PAUSE = 2.0


def course(question: Question, patience: Patience) -> Course:
    """Return what is done about an unknown attempt now."""
    if question.late in _LATE:
        return _LATE[question.late]
    if question.ability is Doubt.DEDUPES and question.age < question.window and question.left > 0:
        return Course.SAME if question.age >= _PAUSE else Course.WAIT
    if question.message_class is MessageClass.BULK:
        return Course.ASK if question.ability is Doubt.QUERYABLE else Course.LEAVE
    if question.left <= 0:
        return Course.LEAVE
    longest = patience.otp if question.message_class is MessageClass.OTP else patience.transactional
    if question.age >= longest:
        return Course.ELSEWHERE
    return Course.ASK if question.ability is Doubt.QUERYABLE else Course.WAIT
