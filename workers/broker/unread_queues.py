"""Finds orders in broker lists that no worker reads, from producers without the key prefix or the right queue name.

Such an order shows only as a list of that name: its producer gets no error.
"""

from dataclasses import dataclass

from workers.broker.queue_depths import PREFIX, list_lengths
from workers.queues import INGEST, OTP, QUEUES

#: Celery's default queue
_DEFAULT = "celery"

#: lists that misconfigured producers write to → what is wrong
_WRONG = {
    **{queue.name: f"without the key prefix `{PREFIX}`" for queue in QUEUES},
    _DEFAULT: f"without the key prefix `{PREFIX}`, and to no queue of ours",
    PREFIX + _DEFAULT: f"to no queue of ours: name `{INGEST}` or `{OTP}`",
}


@dataclass(frozen=True, slots=True)
class UnreadQueue:
    """A list that no worker reads."""

    list: str
    messages: int
    #: what is wrong with its producer's configuration
    wrong: str


def unread(broker_url: str) -> list[UnreadQueue]:
    """Return the non-empty lists that no worker reads; none where the broker is not Redis, or unreachable."""
    lengths = list_lengths(broker_url, _WRONG) or {}
    return [UnreadQueue(name, count, _WRONG[name]) for name, count in lengths.items() if count]
