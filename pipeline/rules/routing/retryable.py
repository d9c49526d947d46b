"""Refusal reasons: the outcome that each normalised reason has, the same for all carriers.

A carrier's module maps each of its codes to a reason once, for submit responses and receipts alike.
The reasons' outcomes are defined here alone, so that carriers cannot disagree: docs/outcomes.md lists them all.
"""

from collections.abc import Mapping

from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

_NEVER, _ELSEWHERE = Outcome.REFUSED_PERMANENT, Outcome.REFUSED_TRANSIENT

#: outcome of a refusal by its reason. Permanent only where number, text or consent are at fault
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
    """Tell whether another carrier may deliver what one refused for this reason; None: no known reason was given."""
    return reason is not None and OUTCOMES[reason] is Outcome.REFUSED_TRANSIENT
