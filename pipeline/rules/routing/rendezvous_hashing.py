"""Who of several equals serves whom: weighted rendezvous hashing (Schindelhauer and Schomaker 2005, Mosharaf 2013).

Each of the equals draws a lot for each recipient, and the best lot wins. A lot hangs on nobody but its owner, the
sender and the recipient: so a recipient keeps his carrier while the equals stay as they are, and when one comes or
goes, or is given another weight, only those recipients move whom it wins or loses.
"""

from collections.abc import Sequence
from hashlib import blake2b
from math import log

_MASK = (1 << 64) - 1


class RendezvousHash:
    """Equals with their weights, above 0."""

    def __init__(self, equals: Sequence[tuple[str, int]]) -> None:
        """Take each one's name and weight."""
        self._equals = sorted(equals)
        self._keys: dict[str, list[tuple[int, int, str]]] = {}

    def first(self, sender: str, phone: str) -> str:
        """Return who serves a sender's message to a number (E.164)."""
        digits = int(phone[1:])
        return max((_lot(digits ^ key, weight), name) for key, weight, name in self._keyed(sender))[1]

    def order(self, sender: str, phone: str) -> list[str]:
        """Return all, who serves it first, who is next when that one cannot, and so on."""
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


#: senders whose keys are kept at hand
_MOST_SENDERS = 10_000


def _key(name: str, sender: str) -> int:
    return int.from_bytes(blake2b(f"{name}\0{sender}".encode(), digest_size=8).digest())


def _lot(place: int, weight: int) -> float:
    """Return a lot: the greatest of several is owned in proportion to their weights."""
    # the finalizer of SplitMix64 (Steele, Lea and Flood 2014): each bit of the place turns half of all bits
    place = (place ^ place >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    place = (place ^ place >> 27) * 0x94D049BB133111EB & _MASK
    # 52 bits and a half: neither 0 nor 1 as a float
    return -weight / log((((place ^ place >> 31) >> 12) + 0.5) / (1 << 52))
