"""Weighted rendezvous hashing: shares recipients among carriers (Schindelhauer and Schomaker 2005, Mosharaf 2013).

Each carrier has a pseudo-random score for each recipient, and the highest score wins. A score depends only on carrier,
sender and recipient: a recipient keeps its carrier as long as the set is unchanged, and when a carrier is added,
removed or reweighted, only those recipients move that it wins or loses.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import log

_MASK = (1 << 64) - 1


class RendezvousHash:
    """Names with their weights, above 0."""

    def __init__(self, equals: Sequence[tuple[str, int]]) -> None:
        """Take (name, weight) pairs."""
        self._equals = sorted(equals)
        self._keys: dict[str, list[tuple[int, int, str]]] = {}

    def first(self, sender: str, phone: str) -> str:
        """Return the name that serves a sender's messages to a number (E.164)."""
        digits = int(phone[1:])
        return max((_lot(digits ^ key, weight), name) for key, weight, name in self._keyed(sender))[1]

    def order(self, sender: str, phone: str) -> list[str]:
        """Return all names by preference for a sender and a number."""
        digits = int(phone[1:])
        lots = sorted(((_lot(digits ^ key, weight), name) for key, weight, name in self._keyed(sender)), reverse=True)
        return [name for _, name in lots]

    def _keyed(self, sender: str) -> list[tuple[int, int, str]]:
        keyed = self._keys.get(sender)
        if keyed is None:
            if len(self._keys) >= _MOST_SENDERS:
                self._keys.clear()
            keyed = self._keys[sender] = [(_key(name, sender), weight, name) for name, weight in self._equals]
        return keyed


#: senders whose keys are cached
_MOST_SENDERS = 10_000


def _key(name: str, sender: str) -> int:
    return int.from_bytes(blake2b(f"{name}\0{sender}".encode(), digest_size=8).digest())


def _lot(place: int, weight: int) -> float:
    """Return a score: the highest of several is distributed in proportion to their weights."""
    # the finalizer of SplitMix64 (Steele, Lea and Flood 2014): each input bit flips half of all output bits
    place = (place ^ place >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    place = (place ^ place >> 27) * 0x94D049BB133111EB & _MASK
    # 52 bits and a half: neither 0 nor 1 as a float
    return -weight / log((((place ^ place >> 31) >> 12) + 0.5) / (1 << 52))
