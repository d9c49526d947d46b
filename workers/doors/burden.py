"""How many bytes of large calls may be under way at once: what is read of one takes five times its size in memory."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import Crowded

#: bytes below which a call does not count
LIGHT = 64 * 1024
#: bytes of one account's calls, and of all together
EACH, ALL = 32 * 1024 * 1024, 128 * 1024 * 1024


class Burden:
    """What one process carries."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._carried: Counter[str] = Counter()

    @contextmanager
    def carry(self, owner: str, weight: int) -> Iterator[None]:
        """Carry an account's call of so many bytes for as long as it takes; Crowded when that would be too much."""
        if weight <= LIGHT:
            yield
            return
        if self._carried[owner] + weight > EACH or self._carried.total() + weight > ALL:
            raise Crowded("large calls are under way")
        self._carried[owner] += weight
        try:
            yield
        finally:
            self._carried[owner] -= weight
            if not self._carried[owner]:
                del self._carried[owner]
