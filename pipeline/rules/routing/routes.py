"""Routing: which carriers may take a message, in which order, and why each other line of the route table lost.

A choice is a pure function of a routing snapshot (routes in force, state of their carriers) and a query (number,
sender, encoding). Snapshots are stored, so that any choice can be repeated: `postroad explain`.
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

#: the carrier of every test message, created by the first migration; it reaches no handset
TEST_CARRIER = "simulated"


class RouteQuery(NamedTuple):
    """What a carrier is chosen for. A tuple: creating a frozen dataclass takes twice as long."""

    #: E.164, with the plus
    phone: str
    #: ISO 3166-1 alpha-2, or ""
    country: str
    sender: str
    #: None: not known, and no line depends on it
    encoding: Encoding | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A line that matches the number, and its result."""

    route: Route
    #: position among the carriers to try, from 1; None: not to be tried
    place: int | None
    #: None: it was chosen
    loss: RouteLoss | None


@dataclass(frozen=True, slots=True)
class Decision:
    """A choice of carrier, with its reasons."""

    #: MCC-MNC of the number, or ""
    network: str
    #: carriers in the order to try them, each once; the first is the choice
    chain: tuple[str, ...]
    #: in the order in which they were considered
    candidates: Sequence[Candidate]
    #: number of lines that do not match the number
    elsewhere: int

    @property
    def carrier(self) -> str | None:
        """The chosen carrier, or None when no candidate is left."""
        return self.chain[0] if self.chain else None


@dataclass(frozen=True, slots=True)
class _Way:
    """The routing result shared by all messages that the table does not distinguish."""

    #: in order: a carrier, or several that share a rank by weight
    tiers: Sequence[str | RendezvousHash]
    #: the order where no rank is shared
    fixed: tuple[str, ...] | None
    #: every line that matches the number
    lines: Sequence["_Line"]


class _Line(NamedTuple):
    """A matching line."""

    route: Route
    #: index of its destination's group
    group: int
    #: its carrier's breaker is open
    unhealthy: bool
    #: why it is excluded, for any recipient
    out: RouteLoss | None


#: cached results
_MOST_WAYS = 20_000
_LOSSES = {
    Capability.ALPHANUMERIC: RouteLoss.NO_ALPHANUMERIC,
    Capability.UCS2: RouteLoss.NO_UCS2,
    Capability.DLT: RouteLoss.NO_DLT,
}
#: where senders and texts must be registered
_DLT_COUNTRY = "IN"
_WELL = CarrierSnapshot()


class RouteTable:
    """A routing snapshot, compiled for look-ups: called for each message."""

    def __init__(self, snapshot: RoutingSnapshot) -> None:
        """Index the snapshot."""
        self.snapshot = snapshot
        lines = snapshot.routes
        self._own = Destinations((line.destination, line) for line in lines if line.own)
        self._common = Destinations((line.destination, line) for line in lines if not line.own)
        self._end = max(self._own.longest, self._common.longest) + 1
        self._knows_networks = any(is_network(line.destination) for line in lines)
        lacking = frozenset().union(*(standing.lacks for standing in snapshot.carriers.values()))
        self._depends_on_names = Capability.ALPHANUMERIC in lacking
        #: whether queries must have an encoding
        self.depends_on_encoding = Capability.UCS2 in lacking
        self._ways: dict[tuple[str, str, str, bool, bool], _Way] = {}
        #: the same with all carriers active, built on first use
        self._resumed: RouteTable | None = None

    def first(self, ask: RouteQuery) -> str | None:
        """Return the first carrier to try, or None where no active one serves the number."""
        way = self._way(ask)
        if way.fixed is not None:
            return way.fixed[0] if way.fixed else None
        tier = way.tiers[0]
        return tier if isinstance(tier, str) else tier.first(ask.sender, ask.phone)

    def first_if_resumed(self, ask: RouteQuery) -> str | None:
        """Return the first carrier to try if the drained ones were resumed, or None: none serves the number."""
        if self._resumed is None:
            active = {
                name: replace(standing, state=CarrierState.ACTIVE) for name, standing in self.snapshot.carriers.items()
            }
            self._resumed = RouteTable(replace(self.snapshot, carriers=active))
        return self._resumed.first(ask)

    def chain(self, ask: RouteQuery) -> tuple[str, ...]:
        """Return carriers in the order to try them, each once.

        Healthy carriers before those whose breaker is open; own routes before common ones; longer prefixes before
        shorter, the network, the country, everywhere; lower rank before higher. Within a rank each recipient has
        an order by weight, the same for all messages of a sender; then those of weight 0, the cheapest first.
        """
        way = self._way(ask)
        if way.fixed is not None:
            return way.fixed
        found: list[str] = []
        for tier in way.tiers:
            found += (tier,) if isinstance(tier, str) else tier.order(ask.sender, ask.phone)
        return tuple(found)

    def cost(self, ask: RouteQuery, carrier: str) -> tuple[int, str] | None:
        """Return what a carrier charges per segment, in millionths of a currency; None: its route has no cost."""
        routes = (line.route for line in self._way(ask).lines if line.route.carrier == carrier)
        route = next(routes, None)
        return (route.cost, route.currency) if route and route.cost is not None and route.currency else None

    def decide(self, ask: RouteQuery, tried: Collection[str] = ()) -> Decision:
        """Return the choice among carriers not tried before, and the result of each line."""
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
            self._depends_on_names and is_name(sender),
            self.depends_on_encoding and encoding is Encoding.UCS2,
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
    """Return the choice of a carrier in a snapshot: the same at every call."""
    return RouteTable(snapshot).decide(ask, tried)


def _needs(ask: RouteQuery) -> Iterator[Capability]:
    if is_name(ask.sender):
        yield Capability.ALPHANUMERIC
    if ask.encoding is Encoding.UCS2:
        yield Capability.UCS2
    if ask.country == _DLT_COUNTRY:
        yield Capability.DLT


def _standing_order(route: Route) -> tuple[int, bool, bool, str, int, str]:
    """Return the sort key within a destination: by rank, those with a share first, the others by cost."""
    if route.weight or route.cost is None:
        return route.rank, not route.weight, True, "", 0, route.carrier
    # costs in two currencies cannot be compared: each currency is sorted by itself
    return route.rank, True, False, route.currency or "", route.cost, route.carrier


def _tiers(fit: Sequence[_Line]) -> Iterator[str | RendezvousHash]:
    """Yield the carriers of lines, in order; those that share a destination and rank by weight as one."""
    for (_, _, spare), lines in groupby(fit, lambda line: (line.group, line.route.rank, not line.route.weight)):
        some = [(line.route.carrier, line.route.weight) for line in lines]
        if spare or len(some) == 1:
            yield from (carrier for carrier, _ in some)
        else:
            yield RendezvousHash(some)


def _loss(line: _Line, chosen: _Line) -> RouteLoss | None:
    """Return why an eligible line comes after the chosen one; None: it is that one."""
    route, winner = line.route, chosen.route
    if line is chosen:
        return None
    if line.unhealthy != chosen.unhealthy:
        return RouteLoss.UNHEALTHY
    if route.own != winner.own:
        return RouteLoss.COMMON
    if line.group != chosen.group:
        return RouteLoss.LESS_SPECIFIC
    if route.rank != winner.rank:
        return RouteLoss.HIGHER_RANK
    if route.weight:
        return RouteLoss.SHARE
    return RouteLoss.SPARE if winner.weight else RouteLoss.MORE_EXPENSIVE


def draw(place: int) -> float:
    """Return a message's draw, from its id: uniform over [0, 1), the same at every call."""
    return (place * 0x9E3779B97F4A7C15 >> 16 & 0xFFFFFFFF) / 0x100000000
