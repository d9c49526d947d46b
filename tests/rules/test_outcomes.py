"""Which outcomes are a sign of a carrier's health."""

from uuid import UUID

import pytest

from pipeline.rules.routing.outcomes import is_good
from schema.carriage import Attempt
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

REF = UUID(int=7)


@pytest.mark.parametrize(
    ("attempt", "good"),
    [
        (Attempt(REF, Outcome.ACCEPTED), True),
        (Attempt(REF, Outcome.REFUSED_PERMANENT, reason=RefusalReason.INVALID_NUMBER), True),
        (Attempt(REF, Outcome.REFUSED_TRANSIENT, reason=RefusalReason.CARRIER_FAULT), False),
        (Attempt(REF, Outcome.REFUSED_TRANSIENT, reason=RefusalReason.ACCOUNT), False),
        (Attempt(REF, Outcome.REFUSED_TRANSIENT), False),
        (Attempt(REF, Outcome.REFUSED_TRANSIENT, reason=RefusalReason.SENDER_REFUSED), None),
        (Attempt(REF, Outcome.REFUSED_TRANSIENT, retry_after=1), None),
        (Attempt(REF, Outcome.NOT_WRITTEN, code="refused"), False),
        (Attempt(REF, Outcome.NOT_WRITTEN, code="no_dlt_id"), None),
        (Attempt(REF, Outcome.NOT_WRITTEN, code="no_time"), None),
        (Attempt(REF, Outcome.UNKNOWN, code="timeout"), False),
    ],
)
def test_an_attempt_is_a_sign_of_a_healthy_carrier_of_an_unhealthy_one_or_of_neither(
    attempt: Attempt, good: bool | None
) -> None:
    assert is_good(attempt) is good
