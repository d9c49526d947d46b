"""What an attempt's outcome says of its carrier, and of when the same carrier may have the message again."""

from datetime import timedelta

from schema.carriage import Attempt
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

#: never tried, for want of time or of a registration in India, because the ones before it failed or because we closed
#: the carrier ourselves: says nothing of the carrier
UNTRIED = frozenset({"no_time", "fused", "put_away", "no_dlt_id"})
#: refusals for now that are about whom a message comes from: they say nothing of how the carrier is, and another
#: account's messages must not be led past it for them
OF_THE_SENDER = frozenset({RefusalReason.SENDER_REFUSED})
#: seconds a throttled message waits at most, however often it was told to
LONGEST_WAIT = 60.0


def is_good(attempt: Attempt) -> bool | None:
    """Tell whether the carrier did its work, whatever it said; None: the outcome is no sign either way."""
    match attempt.outcome:
        case Outcome.ACCEPTED | Outcome.REFUSED_PERMANENT:
            return True
        case Outcome.REFUSED_TRANSIENT if attempt.retry_after is not None:
            return None
        case Outcome.REFUSED_TRANSIENT if attempt.reason in OF_THE_SENDER:
            return None
        case Outcome.NOT_WRITTEN if attempt.code in UNTRIED:
            return None
        case _:
            return False


def pause(attempt: Attempt, tries: int) -> timedelta | None:
    """Return how long the same carrier wants to be left alone with a message it had so many tries at; None: for good.

    Whole seconds, so that messages that wait together travel together; longer with each try.
    """
    if attempt.outcome is not Outcome.REFUSED_TRANSIENT or attempt.retry_after is None:
        return None
    longer = min(2.0 ** min(tries - 1, 10), LONGEST_WAIT)
    return timedelta(seconds=-(-max(attempt.retry_after, longer) // 1))
