"""Which rows of a price book or route table speak of a number.

Leading digits before its network, the network before its country, the country before everywhere.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

#: speaks of every number
EVERYWHERE = "*"

#: ITU-T E.212: mobile country code and mobile network code
_NETWORK = re.compile(r"[0-9]{3}-[0-9]{2,3}")


class Destinations(Generic[T]):
    """Rows by destination; compiled once for a batch, asked for each of its numbers."""

    def __init__(self, rows: Iterable[tuple[str, T]]) -> None:
        """Take (destination, row) pairs; a destination is leading digits, MCC-MNC, an ISO country, or `*`."""
        self._rows: defaultdict[str, list[T]] = defaultdict(list)
        for destination, row in rows:
            self._rows[destination].append(row)
        self._lengths = sorted({len(place) for place in self._rows if place.isdigit()}, reverse=True)
        self._longest = max(self._lengths, default=0)
        self._known: dict[tuple[str, str, str], list[list[T]]] = {}

    @property
    def longest(self) -> int:
        """How many of a number's leading digits matter here."""
        return self._longest

    def __call__(self, phone: str, country: str, network: str = "") -> list[list[T]]:
        """Return the rows that speak of the number (E.164), grouped, the most particular group first."""
        key = (phone[1 : self._longest + 1], country, network)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._look_up(*key)
        return found

    def _look_up(self, digits: str, country: str, network: str) -> list[list[T]]:
        places = [digits[:length] for length in self._lengths if len(digits) >= length]
        return [self._rows[place] for place in (*places, network, country, EVERYWHERE) if place in self._rows]


def is_destination(word: str) -> bool:
    """Tell whether the word can stand in a price book or route table."""
    return (
        word == EVERYWHERE
        or (word.isascii() and word.isdigit())
        or (len(word) == 2 and word.isalpha() and word.isupper())
    )


def is_network(word: str) -> bool:
    """Tell whether the word names a network as MCC-MNC: `621-20`."""
    return bool(_NETWORK.fullmatch(word))
