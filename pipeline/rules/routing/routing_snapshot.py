"""What a choice of carrier hung on, as it is kept: the same situation has the same digest, and is kept once.

A situation is kept in pieces that name each other by their digests. The common lines of the route table, an account's
own, and the numbering plan change seldom; how carriers stand changes with every fault, and is small.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pipeline.rules.numbers.networks import UNKNOWN, Numbering
from schema.routing import Capability
from schema.vocabulary import CarrierState


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the route table."""

    destination: str
    carrier: str
    #: lower goes first
    rank: int
    #: share among its equals; 0: stands by behind those with a share, the cheapest first
    weight: int
    #: of the account's own table, which goes before the common one
    own: bool
    #: what the carrier asks for a segment, in millionths of the currency; None: not known
    cost: int | None = None
    currency: str | None = None
    #: since when this version of the line is in force
    from_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CarrierSnapshot:
    """How a carrier stands."""

    state: CarrierState = CarrierState.ACTIVE
    #: what it cannot do
    lacks: frozenset[Capability] = frozenset()


@dataclass(frozen=True, slots=True)
class RoutingSnapshot:
    """All that a choice of carrier hangs on but the message."""

    #: the lines in force, the account's own and the common ones
    routes: Sequence[Route]
    #: how their carriers stand; one that is not named is active and can do everything
    carriers: Mapping[str, CarrierSnapshot] = field(default_factory=dict)
    #: open breakers: `carrier`, or `carrier/CC` for one country
    unhealthy: frozenset[str] = frozenset()
    #: whose network a number belongs to; nothing where no line names a network
    numbering: Numbering = UNKNOWN


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A situation as it is kept."""

    digest: bytes
    #: digest → JSON, its own and those it names
    pieces: Mapping[bytes, str]


def write(snapshot: RoutingSnapshot) -> StoredSnapshot:
    """Return a situation as pieces to keep."""
    pieces: dict[bytes, str] = {}

    def keep(content: object) -> str:
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).digest()
        pieces[digest] = text
        return digest.hex()

    root = {
        "own": keep(sorted(_line(each) for each in snapshot.routes if each.own)),
        "common": keep(sorted(_line(each) for each in snapshot.routes if not each.own)),
        "networks": keep(dict(snapshot.numbering.prefixes)),
        "carriers": {name: [each.state, sorted(each.lacks)] for name, each in snapshot.carriers.items()},
        "unwell": sorted(snapshot.unhealthy),
    }
    return StoredSnapshot(bytes.fromhex(keep(root)), pieces)


def _line(route: Route) -> list[str]:
    return [
        route.destination,
        route.carrier,
        str(route.rank),
        str(route.weight),
        "" if route.cost is None else str(route.cost),
        route.currency or "",
        route.from_at.isoformat() if route.from_at else "",
    ]


def named(root: Mapping[str, Any]) -> list[bytes]:
    """Return the digests of the pieces that a situation's own piece names."""
    return [bytes.fromhex(root[name]) for name in ("own", "common", "networks")]


def read(root: Mapping[str, Any], piece: Callable[[bytes], Any]) -> RoutingSnapshot:
    """Return the situation of its own piece, and of those it names, that were kept."""
    own, common, networks = map(piece, named(root))
    return RoutingSnapshot(
        routes=[*(_route(line, own=True) for line in own), *(_route(line, own=False) for line in common)],
        carriers={
            name: CarrierSnapshot(CarrierState(state), frozenset(map(Capability, lacks)))
            for name, (state, lacks) in root["carriers"].items()
        },
        unhealthy=frozenset(root["unwell"]),
        numbering=Numbering(networks),
    )


def _route(line: Sequence[str], *, own: bool) -> Route:
    destination, carrier, rank, weight, cost, currency, from_at = line
    return Route(
        destination,
        carrier,
        int(rank),
        int(weight),
        own,
        int(cost) if cost else None,
        currency or None,
        datetime.fromisoformat(from_at) if from_at else None,
    )
