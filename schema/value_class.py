"""A cheap dataclass decorator for values that exist once or more per message."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_class(kind: type[T]) -> type[T]:
    """Return the class as a dataclass with slots that only the type checker treats as frozen.

    At runtime assignments are not refused: creating a value of `@dataclass(frozen=True, slots=True)` takes up to nine
    times as long. Use that one for values that do not exist per message.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)
