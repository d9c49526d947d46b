"""How many bytes of large calls may be under way at once: what is read of one takes five times its size in memory."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from pipeline.errors import Crowded

#: bytes below which a call does not count
LIGHT = 64 * 1024
#: bytes of one owner's calls, and of all together
EACH, ALL = 32 * 1024 * 1024, 128 * 1024 * 1024


class Burden:
    """What one process carries."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._carried: Counter[str] = Counter()
        self._all = 0

    @contextmanager
    def carry(self, owner: str, weight: int) -> Iterator[None]:
        """Carry an owner's call of so many bytes for as long as it takes; Crowded when that would be too much."""
        with self.load(owner) as weigh:
            weigh(weight)
            yield

    @contextmanager
    def load(self, owner: str) -> Iterator[Callable[[int], None]]:
        """Carry an owner's call that grows: yields what takes its weight so far, and raises Crowded at too much."""
        counted = 0

        def weigh(weight: int) -> None:
            nonlocal counted
            if weight > LIGHT:
                self._add(owner, weight - counted)
                counted = weight

        try:
            yield weigh
        finally:
            if counted:
                self._drop(owner, counted)

    def _add(self, owner: str, weight: int) -> None:
        if self._carried[owner] + weight > EACH or self._all + weight > ALL:
            raise Crowded("large calls are under way")
        self._carried[owner] += weight
        self._all += weight

    def _drop(self, owner: str, weight: int) -> None:
        self._carried[owner] -= weight
        self._all -= weight
        if not self._carried[owner]:
            del self._carried[owner]
