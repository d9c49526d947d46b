"""Routing snapshots: serialisation, and storage by digest."""

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.numbers.networks import Numbering
from pipeline.rules.routing.routes import RouteQuery, RouteTable
from pipeline.rules.routing.routing_snapshot import CarrierSnapshot, Route, RoutingSnapshot, read, write
from schema.routing import Capability
from schema.vocabulary import CarrierState
from tests.rules.route_tables import CARRIERS, asks, snapshots


def restored(snapshot: RoutingSnapshot) -> RoutingSnapshot:
    """Return what is read of a routing snapshot that was stored."""
    kept = write(snapshot)
    pieces: dict[bytes, Any] = {digest: json.loads(text) for digest, text in kept.pieces.items()}
    return read(pieces[kept.digest], pieces.__getitem__)


@given(snapshots, asks, st.frozensets(st.sampled_from(CARRIERS)))
def test_a_restored_routing_snapshot_makes_the_same_decisions(
    snapshot: RoutingSnapshot, ask: RouteQuery, tried: frozenset[str]
) -> None:
    before = RouteTable(snapshot).decide(ask, tried)

    after = RouteTable(restored(snapshot)).decide(ask, tried)

    assert after == before


@given(snapshots)
def test_the_digest_of_a_routing_snapshot_does_not_depend_on_the_order_of_its_routes(snapshot: RoutingSnapshot) -> None:
    denied = RoutingSnapshot(snapshot.routes[::-1], snapshot.carriers, snapshot.unhealthy, snapshot.numbering)

    assert write(denied).digest == write(snapshot).digest == write(restored(snapshot)).digest


def test_the_digest_of_a_routing_snapshot_depends_on_everything_that_affects_a_decision() -> None:
    line = Route("*", "a", 1, 100, own=False)
    others = [
        RoutingSnapshot([Route("*", "a", 1, 100, own=True)]),
        RoutingSnapshot([Route("*", "a", 1, 99, own=False)]),
        RoutingSnapshot([Route("*", "a", 1, 100, own=False, from_at=datetime(2027, 3, 1, tzinfo=UTC))]),
        RoutingSnapshot([line], {"a": CarrierSnapshot(CarrierState.DRAINED)}),
        RoutingSnapshot([line], {"a": CarrierSnapshot(lacks=frozenset({Capability.UCS2}))}),
        RoutingSnapshot([line], unhealthy=frozenset({"a"})),
        RoutingSnapshot([line], numbering=Numbering({"234": "621-20"})),
        RoutingSnapshot([line]),
    ]

    assert len({write(each).digest for each in others}) == len(others)


def test_a_change_of_carrier_health_stores_no_route_again() -> None:
    lines = [Route(f"234{number}", "a", 1, 100, own=False) for number in range(100)]

    well, unhealthy = write(RoutingSnapshot(lines)), write(RoutingSnapshot(lines, unhealthy=frozenset({"a"})))

    [new] = unhealthy.pieces.keys() - well.pieces.keys()
    assert new == unhealthy.digest
    assert len(unhealthy.pieces[new]) < 500
