"""Queues, who travels in which, and how much one task carries."""

from kombu import Queue

from schema.vocabulary import MessageClass

INGEST = "ingest"
SEGMENT = "segment"
BILL = "bill"
DELIVER = "deliver"
#: single messages somebody waits for: every stage of theirs, on a worker of its own
OTP = "otp"
#: ticks of the clock
CLOCK = "clock"

#: published through the broker's default exchange, whose bindings nobody can flush
QUEUES = tuple(Queue(name, routing_key=name) for name in (INGEST, SEGMENT, BILL, DELIVER, OTP, CLOCK))

#: batches one deliver hint may name
BATCHES_A_HINT = 200
#: messages one deliver hint may stand for, unless a single batch holds more
MESSAGES_A_HINT = 1000


def lane(queue: str, message_class: MessageClass) -> str:
    """Return the queue in which a class of message passes a stage."""
    return OTP if message_class is MessageClass.OTP else queue
