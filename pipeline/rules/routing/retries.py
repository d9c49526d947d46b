"""How long a message waits when every one of its carriers was busy or away, and a webhook whose receiver was."""

from collections.abc import Sequence
from datetime import timedelta

from schema.message_class import MessageClass

#: seconds before each further round over the routes; after the last the message fails
WAITS: dict[MessageClass, tuple[int, ...]] = {
    MessageClass.OTP: (2, 5, 10, 20),
    MessageClass.TRANSACTIONAL: (5, 30, 120, 600, 1800, 3600),
    MessageClass.BULK: (30, 120, 600, 1800, 3600, 7200),
}


def wait(message_class: MessageClass, rounds: int, draw: float) -> timedelta | None:
    """Return how long to wait after that many finished rounds (from 0), or None: give up.

    Between half and all of the table's seconds, as `draw` (0 to 1) says, so that a crowd does not return at once.
    """
    table = WAITS[message_class]
    if rounds >= len(table):
        return None
    return timedelta(seconds=table[rounds] * (0.5 + draw / 2))


def again(schedule: Sequence[float], tries: int, draw: float, asked: float = 0.0) -> float | None:
    """Return the seconds until the next try after that many, by a schedule, or None: give up.

    Not before the receiver asked for it, as long as that is no later than the schedule's last step. Up to a fifth more,
    as `draw` (0 to 1) says, so that what failed together comes back apart.
    """
    if tries > len(schedule):
        return None
    return max(schedule[tries - 1], min(asked, schedule[-1])) * (1 + draw / 5)
