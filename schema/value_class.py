"""How classes are made whose values are there once or more for each message."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value_class(kind: type[T]) -> type[T]:
    """Return the class as a dataclass whose values nobody changes, by the type checker's word alone.

    At runtime nothing refuses an assignment: making a value of `@dataclass(frozen=True, slots=True)` takes up to nine
    times as long. Where there is not one for each message, that is the way.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)
