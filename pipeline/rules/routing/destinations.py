"""Destination matching: the rows of a price list or route table that apply to a number, most specific first.

Order: longest number prefix, network, country, everywhere.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

#: matches every number
EVERYWHERE = "*"

#: ITU-T E.212: mobile country code and mobile network code
_NETWORK = re.compile(r"[0-9]{3}-[0-9]{2,3}")


class Destinations(Generic[T]):
    """Rows indexed by destination: built once for a batch, called for each of its numbers."""

    def __init__(self, rows: Iterable[tuple[str, T]]) -> None:
        """Index (destination, row) pairs; a destination is a number prefix, MCC-MNC, an ISO country, or `*`."""
        self._rows: defaultdict[str, list[T]] = defaultdict(list)
        for destination, row in rows:
            self._rows[destination].append(row)
        self._lengths = sorted({len(place) for place in self._rows if place.isdigit()}, reverse=True)
        self._longest = max(self._lengths, default=0)
        self._known: dict[tuple[str, str, str], list[list[T]]] = {}

    @property
    def longest(self) -> int:
        """The number of leading digits that can affect a match."""
        return self._longest

    def __call__(self, phone: str, country: str, network: str = "") -> list[list[T]]:
        """Return the rows that match the number (E.164), in groups by destination, the most specific group first."""
        key = (phone[1 : self._longest + 1], country, network)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._look_up(*key)
        return found

    def _look_up(self, digits: str, country: str, network: str) -> list[list[T]]:
        places = [digits[:length] for length in self._lengths if len(digits) >= length]
        return [self._rows[place] for place in (*places, network, country, EVERYWHERE) if place in self._rows]


def is_destination(word: str) -> bool:
    """Tell whether the word is a valid destination for a price list or route table."""
    return (
        word == EVERYWHERE
        or (word.isascii() and word.isdigit())
        or (len(word) == 2 and word.isalpha() and word.isupper())
    )


def is_network(word: str) -> bool:
    """Tell whether the word is a network as MCC-MNC: `621-20`."""
    return bool(_NETWORK.fullmatch(word))
