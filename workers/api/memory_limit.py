"""How many bytes of large calls may be under way at once: what is read of one takes five times its size in memory."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType

from pipeline.errors import Crowded

#: bytes below which a call does not count
LIGHT = 64 * 1024
#: bytes of one owner's calls, and of all together
EACH, ALL = 32 * 1024 * 1024, 128 * 1024 * 1024


class MemoryLimit:
    """What one process carries."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._carried: Counter[str] = Counter()
        self._all = 0

    def load(self, owner: str) -> "Load":
        """Return an owner's call that grows: a context that gives what takes its weight so far."""
        return Load(self, owner)

    def add(self, owner: str, weight: int) -> None:
        """Count more bytes of an owner's; Crowded when they are too many."""
        if self._carried[owner] + weight > EACH or self._all + weight > ALL:
            raise Crowded("large calls are under way")
        self._carried[owner] += weight
        self._all += weight

    def drop(self, owner: str, weight: int) -> None:
        """Count so many bytes less."""
        self._carried[owner] -= weight
        self._all -= weight
        if not self._carried[owner]:
            del self._carried[owner]


class Load:
    """One call that is carried, until its context ends; no generator, which takes thrice the time at every call."""

    __slots__ = ("_counted", "_memory_limit", "_owner")

    def __init__(self, memory_limit: MemoryLimit, owner: str) -> None:
        """Begin with nothing."""
        self._memory_limit, self._owner, self._counted = memory_limit, owner, 0

    def __enter__(self) -> Callable[[int], None]:
        """Return what takes the call's weight so far, and raises Crowded at too much."""
        return self._measure

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Carry it no more."""
        if self._counted:
            self._memory_limit.drop(self._owner, self._counted)

    def _measure(self, weight: int) -> None:
        if weight > LIGHT:
            self._memory_limit.add(self._owner, weight - self._counted)
            self._counted = weight
