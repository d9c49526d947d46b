"""What is done about a message that its carrier may have, by what the carrier can do and what the message is."""

import math
from dataclasses import dataclass
from enum import StrEnum

from schema.message_class import MessageClass
from schema.vocabulary import Outcome, UnknownAbility


class UnknownAction(StrEnum):
    """What is done now."""

    #: nothing yet
    WAIT = "wait"
    #: the carrier is asked
    ASK = "ask"
    #: the carrier has it: its price is earned
    EARN = "earn"
    #: the carrier refused it for good
    FAIL = "fail"
    #: the carrier never had it, and its time is over
    EXPIRE = "expire"
    #: the same carrier gets it again, which knows our reference
    SAME = "same"
    #: another carrier gets it
    ELSEWHERE = "elsewhere"
    #: nothing any more: a receipt may yet say what became of it
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class UnknownCase:
    """One unknown attempt."""

    message_class: MessageClass
    #: what a carrier or a worker said of it since; None: nothing
    late: Outcome | None
    ability: UnknownAbility
    #: DEDUPES: seconds within which the carrier takes a reference once
    window: float
    #: seconds since the carrier may have had the message first, and since it was given it last
    age: float
    rest: float
    #: how often the same carrier was given it again
    repeats: int
    #: seconds until the message is worth nothing any more
    left: float


@dataclass(frozen=True, slots=True)
class UnknownTimeouts:
    """How many seconds a doubt may last before another carrier is given the message. A campaign's lasts for ever."""

    otp: float
    transactional: float

    def of(self, message_class: MessageClass) -> float:
        """Return the seconds for a class."""
        if message_class is MessageClass.BULK:
            return math.inf
        return self.otp if message_class is MessageClass.OTP else self.transactional


#: what late words mean
_LATE = {
    Outcome.ACCEPTED: UnknownAction.EARN,
    Outcome.REFUSED_PERMANENT: UnknownAction.FAIL,
    Outcome.REFUSED_TRANSIENT: UnknownAction.ELSEWHERE,
    Outcome.NOT_WRITTEN: UnknownAction.ELSEWHERE,
}
#: seconds before the same carrier is asked, or gets a message again (twice as long each time): what made it silent may
#: be over then
_PAUSE = 2.0
#: seconds until a doubt is looked at again, doubled each time up to the last
_NEXT, _RAREST = 5.0, 1280.0


def action(question: UnknownCase, timeout: UnknownTimeouts) -> UnknownAction:
    """Return what is done about an unknown attempt now."""
    if question.late in _LATE:
        word = _LATE[question.late]
        return UnknownAction.EXPIRE if word is UnknownAction.ELSEWHERE and question.left <= 0 else word
    longest = timeout.of(question.message_class)
    if _may_repeat(question, longest):
        return UnknownAction.SAME if question.rest >= _pause(question.repeats) else UnknownAction.WAIT
    if question.ability is UnknownAbility.QUERYABLE and (question.left <= 0 or question.age < longest):
        return UnknownAction.ASK if question.rest >= _PAUSE else UnknownAction.WAIT
    if question.left <= 0 or question.message_class is MessageClass.BULK:
        return UnknownAction.LEAVE
    return UnknownAction.ELSEWHERE if question.age >= longest else UnknownAction.WAIT


def pause(question: UnknownCase, timeout: UnknownTimeouts, looks: int) -> float:
    """Return the seconds until an unknown attempt is looked at again that was looked at so often before.

    Never past the moment when another carrier may be given the message, nor past the one when it is worth nothing.
    """
    longest = timeout.of(question.message_class)
    if _may_repeat(question, longest):
        waits = _pause(question.repeats) - question.rest
        usual = waits if waits > 0 else _pause(question.repeats + 1)
    elif question.late is None and question.ability is UnknownAbility.QUERYABLE and question.rest < _PAUSE:
        usual = _PAUSE - question.rest
    elif question.late in _LATE or question.ability is UnknownAbility.QUERYABLE or question.age >= longest:
        usual = min(_NEXT * 2.0 ** min(looks, 8), _RAREST)
    else:
        usual = math.inf
    moments = (longest - question.age, question.left)
    return max(min(usual, *(each for each in moments if each > 0), _RAREST), 0.1)


def _may_repeat(question: UnknownCase, longest: float) -> bool:
    is_known = question.ability is UnknownAbility.DEDUPES and question.age < question.window
    return is_known and question.age < longest and question.left > 0


def _pause(repeats: int) -> float:
    return _PAUSE * 2.0 ** min(repeats, 8)
