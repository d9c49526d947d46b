"""Dead letters: input that could not be processed, stored instead of being lost or retried for ever."""

from dataclasses import dataclass

from schema.vocabulary import DeadLetterSource


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One piece of input that was set aside."""

    source: DeadLetterSource
    #: where it came in: name of a queue or of a carrier
    origin: str
    #: why it was set aside: one of the few snake_case codes of its reader, never content
    reason: str
    #: the bytes received, or the first of them
    payload: bytes
    #: full length in bytes, where `payload` is truncated
    length: int | None = None
