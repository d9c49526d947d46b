"""Which carriers may take a message, in which order."""

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.rules.destinations import Destinations

#: the carrier of every test message, made by the first migration; it reaches nobody
TEST_CARRIER = "simulated"


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the route table, its carrier being well."""

    destination: str
    carrier: str
    #: lower goes first
    rank: int
    #: share among its equals
    weight: int
    #: of the account's own table, which goes before the common one
    own: bool


class RouteTable:
    """The routes open to one account: of paused carriers there are none in it."""

    def __init__(self, routes: Iterable[Route]) -> None:
        """Take the lines in force, the account's own and the common ones."""
        lines = list(routes)
        self._own = Destinations((line.destination, line) for line in lines if line.own)
        self._common = Destinations((line.destination, line) for line in lines if not line.own)
        self._chains: dict[tuple[int, ...], list[str]] = {}

    def chain(self, phone: str, country: str, draw: float) -> list[str]:
        """Return carriers in the order to try them, each once.

        Own routes before common ones, longer destinations before shorter, lower rank before higher; among equals
        by weight, where `draw` (0 to 1, the same for a message whenever it is asked) decides who is first.
        """
        order: dict[str, None] = {}
        for group in (*self._own(phone, country), *self._common(phone, country)):
            for rank in sorted({line.rank for line in group}):
                equals = [line for line in group if line.rank == rank]
                order.update(dict.fromkeys(_by_weight(equals, draw)))
        return list(order)


def _by_weight(equals: list[Route], draw: float) -> list[str]:
    if len(equals) == 1:
        return [equals[0].carrier]
    equals = sorted(equals, key=lambda line: line.carrier)
    point = draw * sum(line.weight for line in equals)
    for place, line in enumerate(equals):
        point -= line.weight
        if point < 0:
            return [each.carrier for each in equals[place:] + equals[:place]]
    return [each.carrier for each in equals]


def draw(place: int) -> float:
    """Return the draw of a message from its id as a number: even over [0, 1), the same at every asking."""
    return (place * 0x9E3779B97F4A7C15 >> 16 & 0xFFFFFFFF) / 0x100000000
