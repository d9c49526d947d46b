"""Which rows of a price book or route table speak of a number: leading digits, then country, then everywhere."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

#: speaks of every number
EVERYWHERE = "*"


class Destinations(Generic[T]):
    """Rows by destination; compiled once for a batch, asked for each of its numbers."""

    def __init__(self, rows: Iterable[tuple[str, T]]) -> None:
        """Take (destination, row) pairs; a destination is leading digits, an ISO country, or `*`."""
        self._rows: defaultdict[str, list[T]] = defaultdict(list)
        for destination, row in rows:
            self._rows[destination].append(row)
        self._lengths = sorted({len(place) for place in self._rows if place.isdigit()}, reverse=True)
        self._longest = max(self._lengths, default=0)
        self._known: dict[tuple[str, str], list[list[T]]] = {}

    def __call__(self, phone: str, country: str) -> list[list[T]]:
        """Return the rows that speak of the number (E.164), grouped, the most particular group first."""
        key = (phone[1 : self._longest + 1], country)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._look_up(*key)
        return found

    def _look_up(self, digits: str, country: str) -> list[list[T]]:
        places = [digits[:length] for length in self._lengths if len(digits) >= length]
        return [self._rows[place] for place in (*places, country, EVERYWHERE) if place in self._rows]


def is_destination(word: str) -> bool:
    """Tell whether the word can stand in a price book or route table."""
    return (
        word == EVERYWHERE
        or (word.isascii() and word.isdigit())
        or (len(word) == 2 and word.isalpha() and word.isupper())
    )
