"""Limits the memory of large requests in progress: parsing a body takes five times its size."""

from collections import Counter
from collections.abc import Callable
from types import TracebackType

from pipeline.errors import Overloaded

#: bytes up to which a request does not count
LIGHT = 64 * 1024
#: most bytes of one owner's requests, and of all together
EACH, ALL = 32 * 1024 * 1024, 128 * 1024 * 1024


class MemoryLimit:
    """The bytes of large requests in progress in one process, by owner."""

    def __init__(self) -> None:
        """Start at zero."""
        self._carried: Counter[str] = Counter()
        self._all = 0

    def load(self, owner: str) -> "Load":
        """Return a context manager for one request of an owner; it yields a function that takes its size so far."""
        return Load(self, owner)

    def add(self, owner: str, weight: int) -> None:
        """Add bytes of an owner; Overloaded when that exceeds a limit."""
        if self._carried[owner] + weight > EACH or self._all + weight > ALL:
            raise Overloaded("large calls are under way")
        self._carried[owner] += weight
        self._all += weight

    def drop(self, owner: str, weight: int) -> None:
        """Subtract bytes of an owner."""
        self._carried[owner] -= weight
        self._all -= weight
        if not self._carried[owner]:
            del self._carried[owner]


class Load:
    """One counted request, until its context ends; not a generator, which would take three times as long."""

    __slots__ = ("_counted", "_memory_limit", "_owner")

    def __init__(self, memory_limit: MemoryLimit, owner: str) -> None:
        """Start at zero."""
        self._memory_limit, self._owner, self._counted = memory_limit, owner, 0

    def __enter__(self) -> Callable[[int], None]:
        """Return a function that takes the request's size so far; it raises Overloaded when a limit is exceeded."""
        return self._set_size

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Subtract the request's bytes."""
        if self._counted:
            self._memory_limit.drop(self._owner, self._counted)

    def _set_size(self, weight: int) -> None:
        if weight > LIGHT:
            self._memory_limit.add(self._owner, weight - self._counted)
            self._counted = weight
