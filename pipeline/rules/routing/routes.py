"""Which carriers may take a message, in which order, and why each other line of the route table lost.

A choice is a pure function of two things: the situation (lines in force, how their carriers stand) and what is asked
(number, sender, encoding). Situations are kept, so that any choice can be made again: `postroad explain`.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import NamedTuple

from pipeline.rules.numbers.senders import is_name
from pipeline.rules.routing.destinations import Destinations, is_network
from pipeline.rules.routing.rendezvous_hashing import RendezvousHash
from pipeline.rules.routing.routing_snapshot import CarrierSnapshot, Route, RoutingSnapshot
from schema.routing import Capability, RouteLoss
from schema.vocabulary import CarrierState, Encoding

#: the carrier of every test message, made by the first migration; it reaches nobody
TEST_CARRIER = "simulated"


class RouteQuery(NamedTuple):
    """What a carrier is wanted for. A tuple: a frozen dataclass takes twice as long to make."""

    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or ""
    country: str
    sender: str
    #: None: not known, and no line cares
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line that speaks of the number, and what came of it."""

    route: Route
    #: its place among the carriers to try, from 1; None: not to be tried
    place: int | None
    #: None: it was chosen
    loss: RouteLoss | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice of carrier and how it came about."""

    #: MCC-MNC of the number, or ""
    network: str
    #: carriers in the order to try them, each once; the first is the choice
    chain: tuple[str, ...]
    #: in the order in which they were considered
    candidates: Sequence[Candidate]
    #: lines that speak of other numbers only
    elsewhere: int

    @property
    def carrier(self) -> str | None:
        """The choice, or None when there was nobody to choose."""
        return self.chain[0] if self.chain else None


@dataclass(frozen=True, slots=True)
class _Way:
    """What is the same for all messages that look alike to the table."""

    #: carriers, or several that share a place by weight, in order
    tiers: Sequence[str | RendezvousHash]
    #: the order where nothing is shared
    fixed: tuple[str, ...] | None
    #: every line that speaks of the number
    lines: Sequence["_Line"]


class _Line(NamedTuple):
    """A line among those that speak of a number."""

    route: Route
    #: place of its destination among theirs
    group: int
    #: its carrier's breaker is open
    unhealthy: bool
    #: why it is out, whoever the recipient is
    out: RouteLoss | None


#: looks that are kept at hand
_MOST_WAYS = 20_000
_LOSSES = {
    Capability.ALPHANUMERIC: RouteLoss.NO_ALPHANUMERIC,
    Capability.UCS2: RouteLoss.NO_UCS2,
    Capability.DLT: RouteLoss.NO_DLT,
}
#: where senders and texts are registered
_DLT_COUNTRY = "IN"
_WELL = CarrierSnapshot()


class RouteTable:
    """A situation, compiled: asked for each message."""

    def __init__(self, snapshot: RoutingSnapshot) -> None:
        """Take the situation as it is now."""
        self.snapshot = snapshot
        lines = snapshot.routes
        self._own = Destinations((line.destination, line) for line in lines if line.own)
        self._common = Destinations((line.destination, line) for line in lines if not line.own)
        self._end = max(self._own.longest, self._common.longest) + 1
        self._knows_networks = any(is_network(line.destination) for line in lines)
        lacking = frozenset().union(*(standing.lacks for standing in snapshot.carriers.values()))
        self._heeds_names = Capability.ALPHANUMERIC in lacking
        #: whether an ask must say its encoding
        self.heeds_encoding = Capability.UCS2 in lacking
        self._ways: dict[tuple[str, str, str, bool, bool], _Way] = {}
        #: the same with all carriers active, made when it is first wanted
        self._resumed: RouteTable | None = None

    def first(self, ask: RouteQuery) -> str | None:
        """Return the carrier to try first, or None where none that is active serves the number."""
        way = self._way(ask)
        if way.fixed is not None:
            return way.fixed[0] if way.fixed else None
        tier = way.tiers[0]
        return tier if isinstance(tier, str) else tier.first(ask.sender, ask.phone)

    def first_resumed(self, ask: RouteQuery) -> str | None:
        """Return the carrier to try first once those that are drained are resumed, or None: none serves the number."""
        if self._resumed is None:
            active = {
                name: replace(standing, state=CarrierState.ACTIVE) for name, standing in self.snapshot.carriers.items()
            }
            self._resumed = RouteTable(replace(self.snapshot, carriers=active))
        return self._resumed.first(ask)

    def chain(self, ask: RouteQuery) -> tuple[str, ...]:
        """Return carriers in the order to try them, each once.

        Those that are well before those whose breaker is open; own routes before common ones; longer destinations
        before shorter, the network, the country, everywhere; lower rank before higher. Of a rank each recipient has
        his own order by weight, the same for all messages of a sender; behind it those of weight 0, the cheapest first.
        """
        way = self._way(ask)
        if way.fixed is not None:
            return way.fixed
        found: list[str] = []
        for tier in way.tiers:
            found += (tier,) if isinstance(tier, str) else tier.order(ask.sender, ask.phone)
        return tuple(found)

    def decide(self, ask: RouteQuery, tried: Collection[str] = ()) -> Decision:
        """Return the choice among those that were not tried before, and what became of each line."""
        way = self._way(ask)
        chain = tuple(carrier for carrier in self.chain(ask) if carrier not in tried)
        places = {carrier: place for place, carrier in enumerate(chain, start=1)}
        chosen = next((line for line in way.lines if not line.out and chain[:1] == (line.route.carrier,)), None)
        candidates = []
        for line in way.lines:
            loss = line.out or (RouteLoss.TRIED if line.route.carrier in tried else chosen and _loss(line, chosen))
            candidates.append(Candidate(line.route, None if line.out else places.get(line.route.carrier), loss))
        return Decision(self._network(ask.phone), chain, candidates, len(self.snapshot.routes) - len(candidates))

    def _network(self, phone: str) -> str:
        return self.snapshot.numbering.network(phone) if self._knows_networks else ""

    def _is_unhealthy(self, carrier: str, country: str) -> bool:
        unhealthy = self.snapshot.unhealthy
        return bool(unhealthy) and (carrier in unhealthy or f"{carrier}/{country}" in unhealthy)

    def _way(self, ask: RouteQuery) -> _Way:
        phone, country, sender, encoding = ask
        key = (
            phone[1 : self._end],
            country,
            self._network(phone),
            self._heeds_names and is_name(sender),
            self.heeds_encoding and encoding is Encoding.UCS2,
        )
        way = self._ways.get(key)
        if way is None:
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            way = self._ways[key] = self._find_way(ask, key[2], frozenset(_needs(ask)))
        return way

    def _find_way(self, ask: RouteQuery, network: str, needs: frozenset[Capability]) -> _Way:
        groups = [*self._own(ask.phone, ask.country, network), *self._common(ask.phone, ask.country, network)]
        lines: list[_Line] = []
        seen: set[str] = set()
        for number, group in enumerate(groups):
            for route in sorted(group, key=_standing_order):
                out = self._out(route, needs) or (RouteLoss.REPEATED if route.carrier in seen else None)
                lines.append(_Line(route, number, self._is_unhealthy(route.carrier, ask.country), out))
                seen.add(route.carrier)
        fit = [line for line in lines if line.out is None]
        tiers = [
            *_tiers([each for each in fit if not each.unhealthy]),
            *_tiers([each for each in fit if each.unhealthy]),
        ]
        fixed = tuple(tier for tier in tiers if isinstance(tier, str))
        return _Way(tiers, fixed if len(fixed) == len(tiers) else None, lines)

    def _out(self, route: Route, needs: frozenset[Capability]) -> RouteLoss | None:
        standing = self.snapshot.carriers.get(route.carrier, _WELL)
        if standing.state is not CarrierState.ACTIVE:
            return RouteLoss.DRAINED
        return next((loss for need, loss in _LOSSES.items() if need in needs and need in standing.lacks), None)


def decide(snapshot: RoutingSnapshot, ask: RouteQuery, tried: Collection[str] = ()) -> Decision:
    """Return the choice of a carrier for a message in a situation: the same whenever and wherever it is asked."""
    return RouteTable(snapshot).decide(ask, tried)


def _needs(ask: RouteQuery) -> Iterator[Capability]:
    if is_name(ask.sender):
        yield Capability.ALPHANUMERIC
    if ask.encoding is Encoding.UCS2:
        yield Capability.UCS2
    if ask.country == _DLT_COUNTRY:
        yield Capability.DLT


def _standing_order(route: Route) -> tuple[int, bool, bool, str, int, str]:
    """Return the order within a destination: by rank, those with a share first, the others by cost."""
    if route.weight or route.cost is None:
        return route.rank, not route.weight, True, "", 0, route.carrier
    # costs of two currencies cannot be told apart: each currency by itself then
    return route.rank, True, False, route.currency or "", route.cost, route.carrier


def _tiers(fit: Sequence[_Line]) -> Iterator[str | RendezvousHash]:
    """Yield lines, in order, as their carriers; those of one destination and rank that have a share as one."""
    for (_, _, spare), lines in groupby(fit, lambda line: (line.group, line.route.rank, not line.route.weight)):
        some = [(line.route.carrier, line.route.weight) for line in lines]
        if spare or len(some) == 1:
            yield from (carrier for carrier, _ in some)
        else:
            yield RendezvousHash(some)


def _loss(line: _Line, chosen: _Line) -> RouteLoss | None:
    """Return why a line that is fit stands behind the chosen one; None: it is that one."""
    route, winner = line.route, chosen.route
    if line is chosen:
        return None
    if line.unhealthy != chosen.unhealthy:
        return RouteLoss.UNHEALTHY
    if route.own != winner.own:
        return RouteLoss.COMMON
    if line.group != chosen.group:
        return RouteLoss.LESS_PARTICULAR
    if route.rank != winner.rank:
        return RouteLoss.HIGHER_RANK
    if route.weight:
        return RouteLoss.SHARE
    return RouteLoss.SPARE if winner.weight else RouteLoss.DEARER


def draw(place: int) -> float:
    """Return the draw of a message from its id as a number: even over [0, 1), the same at every asking."""
    return (place * 0x9E3779B97F4A7C15 >> 16 & 0xFFFFFFFF) / 0x100000000
