"""A dead letter: input from outside that could not be read, set aside instead of being lost or tried for ever."""

from dataclasses import dataclass

from schema.vocabulary import DeadLetterSource


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One piece of input that was set aside."""

    source: DeadLetterSource
    #: where it came in: a queue's name, or a carrier's
    origin: str
    #: why it was set aside, in snake_case: one of the few words of whoever sets it aside, never content
    reason: str
    #: what came, as it came
    payload: bytes
    #: its length in bytes, where `payload` is only its beginning
    length: int | None = None
