"""What an attempt's outcome says of its carrier's health, and when the same carrier may get the message again."""

from datetime import timedelta

from schema.carriage import Attempt
from schema.refusals import RefusalReason
from schema.vocabulary import Outcome

#: not submitted: no time was left, a DLT id was missing, earlier messages failed, we closed the connection, or the
#: campaign was stopped; no sign of the carrier's health
UNTRIED = frozenset({"no_time", "fused", "put_away", "no_dlt_id", "campaign_stopped"})
#: transient refusals that are about the message's sender: no sign of the carrier's health, and no reason to route
#: other accounts' messages past it
OF_THE_SENDER = frozenset({RefusalReason.SENDER_REFUSED})
#: the longest wait of a throttled message in seconds, whatever the carrier asked for
LONGEST_WAIT = 60.0


def is_good(attempt: Attempt) -> bool | None:
    """Tell whether an attempt shows the carrier healthy; None: it shows neither health nor failure."""
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
    """Return how long to wait before the same carrier gets a message again, by its tries so far; None: never.

    In whole seconds, so that messages that wait together are sent together; longer with each try.
    """
    if attempt.outcome is not Outcome.REFUSED_TRANSIENT or attempt.retry_after is None:
        return None
    longer = min(2.0 ** min(tries - 1, 10), LONGEST_WAIT)
    return timedelta(seconds=-(-max(attempt.retry_after, longer) // 1))
