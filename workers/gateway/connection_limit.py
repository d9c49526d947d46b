"""Limits the connections of a process: above the limit, the address with the most connections loses one."""

from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class LimitedConnection(Hashable, Protocol):
    """A connection that can be limited."""

    @property
    def is_busy(self) -> bool:
        """Whether a request on it is not answered yet."""
        ...

    def give_way(self) -> None:
        """Close it."""
        ...


C = TypeVar("C", bound=LimitedConnection)


class ConnectionLimit(Generic[C]):
    """The connections by client address, the least recently used first."""

    def __init__(self, most: int) -> None:
        """Take the most connections at a time."""
        self.most = most
        self._origins: dict[C, str] = {}
        self._by_origin: dict[str, dict[C, None]] = {}

    def add(self, connection: C, origin: str) -> None:
        """Count a new connection; above the limit close one."""
        self._origins[connection] = origin
        self._by_origin.setdefault(origin, {})[connection] = None
        if len(self._origins) > self.most:
            self._one_of_most(connection).give_way()

    def use(self, connection: C) -> None:
        """Note the use of a connection."""
        own = self._by_origin.get(self._origins.get(connection, ""))
        if own is not None and len(own) > 1:
            del own[connection]
            own[connection] = None

    def remove(self, connection: C) -> None:
        """Forget a connection that is closed."""
        origin = self._origins.pop(connection, None)
        if origin is None:
            return
        own = self._by_origin[origin]
        del own[connection]
        if not own:
            del self._by_origin[origin]

    def _one_of_most(self, newest: C) -> C:
        """Return an idle connection of the largest address, else the new one if it belongs to it, else the oldest."""
        largest = max(self._by_origin.values(), key=len)
        idle = next((each for each in largest if not each.is_busy), None)
        return idle or (newest if newest in largest else next(iter(largest)))
