"""The queues: their names, which message class and carrier uses which, and how many batches one deliver task names."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from kombu import Queue

from schema.message import Hint
from schema.message_class import MessageClass
from schema.vocabulary import Placement

INGEST = "ingest"
SEGMENT = "segment"
BILL = "bill"
DELIVER = "deliver"
#: campaigns: their rows are checked, and become messages
CAMPAIGN = "campaign"
#: one-time passwords: all their stages, on a worker of its own
OTP = "otp"
#: periodic tasks of beat
CLOCK = "clock"
#: what takes minutes and may wait, of the periodic tasks: maintenance and audit
MAINTENANCE = "maintenance"

#: published through the broker's default exchange, whose bindings cannot be deleted
QUEUES = tuple(
    Queue(name, routing_key=name) for name in (INGEST, SEGMENT, BILL, DELIVER, CAMPAIGN, OTP, CLOCK, MAINTENANCE)
)

#: prefixes of the queues of a carrier with its own process: its batches, and its one-time passwords
OWN, CODES = "carrier.", "codes."

#: batches one deliver hint may name
BATCHES_A_HINT = 200
#: messages one deliver hint may stand for, unless a single batch holds more
MESSAGES_A_HINT = 1000


def queue_for(queue: str, message_class: MessageClass) -> str:
    """Return the queue of a stage for a message class."""
    return OTP if message_class is MessageClass.OTP else queue


def own_queues(carrier: str, placement: Placement) -> list[Queue]:
    """Return the queues that the process of one carrier reads."""
    names = [f"{CODES}{carrier}", f"{OWN}{carrier}"] if placement is Placement.BOUND else [f"{OWN}{carrier}"]
    return [Queue(name, routing_key=name) for name in names]


def deliveries(hints: Iterable[Hint], placement: Callable[[str], Placement]) -> Iterator[tuple[str, list[str]]]:
    """Yield the deliver tasks for queued batches: a queue and batch ids, grouped by carrier."""
    groups: defaultdict[tuple[str, str], list[Hint]] = defaultdict(list)
    for hint in hints:
        groups[_deliver(hint, placement(hint.carrier)), hint.carrier].append(hint)
    for (queue, _), members in groups.items():
        for portion in _portions(members):
            yield queue, [str(hint.batch) for hint in portion]


def _deliver(hint: Hint, placement: Placement) -> str:
    if hint.message_class is MessageClass.OTP:
        return f"{CODES}{hint.carrier}" if placement is Placement.BOUND else OTP
    return DELIVER if placement is Placement.SHARED else f"{OWN}{hint.carrier}"


def _portions(hints: Sequence[Hint]) -> Iterator[list[Hint]]:
    portion: list[Hint] = []
    held = 0
    for hint in hints:
        if portion and (len(portion) == BATCHES_A_HINT or held + hint.size > MESSAGES_A_HINT):
            yield portion
            portion, held = [], 0
        portion.append(hint)
        held += hint.size
    if portion:
        yield portion
