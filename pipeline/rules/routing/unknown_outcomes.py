"""Unknown outcomes: what to do with a message that its carrier may have, by the carrier's abilities and the class."""

import math
from dataclasses import dataclass
from enum import StrEnum

from schema.message_class import MessageClass
from schema.vocabulary import Outcome, UnknownAbility


class UnknownAction(StrEnum):
    """What to do now."""

    #: nothing yet
    WAIT = "wait"
    #: query the carrier
    QUERY = "ask"
    #: the carrier accepted it: capture its price
    CONFIRM = "earn"
    #: the carrier refused it permanently
    FAIL = "fail"
    #: the carrier never got it, and it has expired
    EXPIRE = "expire"
    #: submit it again to the same carrier, which deduplicates by our reference
    RESEND_SAME = "same"
    #: submit it to another carrier
    RESEND_OTHER = "elsewhere"
    #: nothing any more: a receipt may still settle it
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class UnknownCase:
    """One attempt with an unknown outcome."""

    message_class: MessageClass
    #: late submit result; None: none
    late: Outcome | None
    ability: UnknownAbility
    #: DEDUPES: seconds within which the carrier deduplicates a reference
    window: float
    #: seconds since the carrier may have had the message first, and since it was submitted last
    age: float
    rest: float
    #: how often it was resubmitted to the same carrier
    repeats: int
    #: seconds until the message expires
    left: float


@dataclass(frozen=True, slots=True)
class UnknownTimeouts:
    """Seconds after which a message with an unknown outcome goes to another carrier. Never for bulk."""

    otp: float
    transactional: float

    def of(self, message_class: MessageClass) -> float:
        """Return the seconds for a class."""
        if message_class is MessageClass.BULK:
            return math.inf
        return self.otp if message_class is MessageClass.OTP else self.transactional


#: actions for late submit results
_LATE = {
    Outcome.ACCEPTED: UnknownAction.CONFIRM,
    Outcome.REFUSED_PERMANENT: UnknownAction.FAIL,
    Outcome.REFUSED_TRANSIENT: UnknownAction.RESEND_OTHER,
    Outcome.NOT_WRITTEN: UnknownAction.RESEND_OTHER,
}
#: seconds before the same carrier is queried, or gets a message again (doubled each time): a short outage may be over
#: by then
_PAUSE = 2.0
#: seconds until the next check, doubled each time up to the last
_NEXT, _RAREST = 5.0, 1280.0


def action(case: UnknownCase, timeout: UnknownTimeouts) -> UnknownAction:
    """Return the action for an unknown attempt now."""
    if case.late in _LATE:
        word = _LATE[case.late]
        return UnknownAction.EXPIRE if word is UnknownAction.RESEND_OTHER and case.left <= 0 else word
    longest = timeout.of(case.message_class)
    if _may_repeat(case, longest):
        return UnknownAction.RESEND_SAME if case.rest >= _pause(case.repeats) else UnknownAction.WAIT
    if case.ability is UnknownAbility.QUERYABLE and (case.left <= 0 or case.age < longest):
        return UnknownAction.QUERY if case.rest >= _PAUSE else UnknownAction.WAIT
    if case.left <= 0 or case.message_class is MessageClass.BULK:
        return UnknownAction.LEAVE
    return UnknownAction.RESEND_OTHER if case.age >= longest else UnknownAction.WAIT


def pause(case: UnknownCase, timeout: UnknownTimeouts, checks: int) -> float:
    """Return the seconds until an unknown attempt is checked again, when it was checked `checks` times.

    Never later than when another carrier may get the message, nor than its expiry.
    """
    longest = timeout.of(case.message_class)
    if _may_repeat(case, longest):
        waits = _pause(case.repeats) - case.rest
        usual = waits if waits > 0 else _pause(case.repeats + 1)
    elif case.late is None and case.ability is UnknownAbility.QUERYABLE and case.rest < _PAUSE:
        usual = _PAUSE - case.rest
    elif case.late in _LATE or case.ability is UnknownAbility.QUERYABLE or case.age >= longest:
        usual = min(_NEXT * 2.0 ** min(checks, 8), _RAREST)
    else:
        usual = math.inf
    moments = (longest - case.age, case.left)
    return max(min(usual, *(each for each in moments if each > 0), _RAREST), 0.1)


def _may_repeat(case: UnknownCase, longest: float) -> bool:
    is_known = case.ability is UnknownAbility.DEDUPES and case.age < case.window
    return is_known and case.age < longest and case.left > 0


def _pause(repeats: int) -> float:
    return _PAUSE * 2.0 ** min(repeats, 8)
