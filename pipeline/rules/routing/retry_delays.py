"""Backoff: waits between rounds over a message's routes, and between tries of a webhook delivery."""

from collections.abc import Sequence
from datetime import timedelta

from schema.message_class import MessageClass

#: seconds before each further round over the routes; after the last one the message fails
WAITS: dict[MessageClass, tuple[int, ...]] = {
    MessageClass.OTP: (2, 5, 10, 20),
    MessageClass.TRANSACTIONAL: (5, 30, 120, 600, 1800, 3600),
    MessageClass.BULK: (30, 120, 600, 1800, 3600, 7200),
}


def wait(message_class: MessageClass, rounds: int, draw: float) -> timedelta | None:
    """Return the wait after this many finished rounds (from 0), or None: give up.

    Between half and all of the table's seconds, by `draw` (0 to 1): jitter.
    """
    table = WAITS[message_class]
    if rounds >= len(table):
        return None
    return timedelta(seconds=table[rounds] * (0.5 + draw / 2))


def again(schedule: Sequence[float], tries: int, draw: float, asked: float = 0.0) -> float | None:
    """Return the seconds until the next try after `tries`, by a schedule, or None: give up.

    Not before `asked` (Retry-After), up to the schedule's last step. Up to a fifth more, by `draw` (0 to 1): jitter, so
    that what failed together is not retried together.
    """
    if tries > len(schedule):
        return None
    return max(schedule[tries - 1], min(asked, schedule[-1])) * (1 + draw / 5)
