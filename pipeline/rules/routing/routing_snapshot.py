"""Routing snapshots: the inputs of a choice of carrier, serialised by digest so that equal ones are stored once.

A snapshot is stored in pieces that refer to each other by digest. The common routes, an account's
own, and the numbering plan change seldom; the carriers' state changes with every failure, and is small.
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
    #: share of its rank; 0: fallback after those with a share, the cheapest first
    weight: int
    #: of the account's own table, which precedes the common one
    own: bool
    #: price the carrier charges per segment, in millionths of the currency; None: unknown
    cost: int | None = None
    currency: str | None = None
    #: when this version of the line came into force
    from_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CarrierSnapshot:
    """The state of a carrier."""

    state: CarrierState = CarrierState.ACTIVE
    #: capabilities it does not have
    lacks: frozenset[Capability] = frozenset()


@dataclass(frozen=True, slots=True)
class RoutingSnapshot:
    """All inputs to the choice of a carrier but the message."""

    #: the routes in force, the account's own and the common ones
    routes: Sequence[Route]
    #: their carriers' states; one that is missing is active and has all capabilities
    carriers: Mapping[str, CarrierSnapshot] = field(default_factory=dict)
    #: open breakers: `carrier`, or `carrier/CC` for one country
    unhealthy: frozenset[str] = frozenset()
    #: network of a number; empty where no route names a network
    numbering: Numbering = UNKNOWN


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """A snapshot in its stored form."""

    digest: bytes
    #: digest → JSON, of its root and the pieces it refers to
    pieces: Mapping[bytes, str]


def write(snapshot: RoutingSnapshot) -> StoredSnapshot:
    """Return a snapshot as pieces to store."""
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
    """Return the digests of the pieces that a snapshot's root refers to."""
    return [bytes.fromhex(root[name]) for name in ("own", "common", "networks")]


def read(root: Mapping[str, Any], piece: Callable[[bytes], Any]) -> RoutingSnapshot:
    """Return the snapshot of a stored root and the pieces it refers to."""
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
