"""Why a carrier did not deliver a message, in one vocabulary for all carriers, and what each reason means.

A carrier's file translates its codes into these reasons, each code once, whether it comes in an answer or in a receipt.
What a reason means is said here alone, so that no two carriers' files can disagree: docs/outcomes.md shows them all.
"""

from collections.abc import Mapping

from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

_NEVER, _ELSEWHERE = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT

#: what an answer with each reason says of the message. Permanent is only what number, text or consent are at fault for
OUTCOMES: Mapping[RefusalReason, Outcome] = {
    RefusalReason.INVALID_NUMBER: _NEVER,
    RefusalReason.SUBSCRIBER: _NEVER,
    RefusalReason.ABSENT: _NEVER,
    RefusalReason.OPTED_OUT: _NEVER,
    RefusalReason.INVALID_TEXT: _NEVER,
    RefusalReason.FORBIDDEN_TEXT: _NEVER,
    RefusalReason.MESSAGE_REFUSED: _NEVER,
    RefusalReason.EXPIRED: _NEVER,
    RefusalReason.SENDER_REFUSED: _ELSEWHERE,
    RefusalReason.ACCOUNT: _ELSEWHERE,
    RefusalReason.NO_CREDIT: _ELSEWHERE,
    RefusalReason.CONFIGURATION: _ELSEWHERE,
    RefusalReason.NO_ROUTE: _ELSEWHERE,
    RefusalReason.LIMIT: _ELSEWHERE,
    RefusalReason.CARRIER_FAULT: _ELSEWHERE,
    RefusalReason.UNSPECIFIED: _ELSEWHERE,
    RefusalReason.IN_DOUBT: Outcome.UNKNOWN,
}


def may_another_help(reason: RefusalReason | None) -> bool:
    """Tell whether another carrier may deliver what one said it did not for this reason; None: it gave none we know."""
    return reason is not None and OUTCOMES[reason] is Outcome.REFUSED_TRANSIENT
