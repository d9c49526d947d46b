"""Lines of the route table have versions: each is in force from a moment on, until the next one begins."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pipeline.errors import InvalidInput, NotFound
from pipeline.runtime import Runtime
from pipeline.stages.admin.carriers import list_carriers, set_carrier
from pipeline.stages.admin.networks import list_networks, set_networks
from pipeline.stages.admin.prices import set_price
from pipeline.stages.admin.routes import drop_route, list_routes, set_route
from pipeline.store import carriers, routing_snapshot
from tests.world import World

SOON = datetime.now(UTC) + timedelta(hours=1)
LATER = SOON + timedelta(hours=1)


def versions(rt: Runtime, *, over: bool = False) -> list[tuple[Any, ...]]:
    """Return rank, weight, how it stands, from and until of each version of the line NG, alpha."""
    rows = [row for row in list_routes(rt, over=over) if row["destination"] == "NG"]
    return [tuple(row[word] for word in ("rank", "weight", "stands", "from_at", "until_at")) for row in rows]


def in_force(world: World) -> list[tuple[str, int]]:
    """Return destination and rank of what the account's messages are given carriers by."""
    with world.rt.read_only() as conn:
        choice = routing_snapshot.choices(conn, world.rt.snapshots, [world.account])[world.account]
    return sorted((route.destination, route.rank) for route in choice.table.snapshot.routes)


def pass_time(world: World, hours: float) -> None:
    world.run(
        "UPDATE routes SET from_at = from_at - %(h)s * interval '1 hour',"
        " until_at = until_at - %(h)s * interval '1 hour'",
        h=hours,
    )


def test_a_version_ends_where_the_next_begins(world: World) -> None:
    set_route(world.rt, "NG", "alpha", rank=1)
    set_route(world.rt, "NG", "alpha", rank=2)

    (rank, _, stands, begun, ended), (*_, since, until) = versions(world.rt, over=True)

    assert (rank, stands, ended, until) == (1, "over", since, None)
    assert begun < ended
    assert [row[0] for row in versions(world.rt)] == [2]


def test_a_planned_version_is_in_force_from_its_start_to_its_end(world: World) -> None:
    set_route(world.rt, "NG", "alpha", rank=1)
    set_route(world.rt, "NG", "alpha", rank=2, from_at=SOON, until_at=LATER)

    before = in_force(world)
    assert [row[2:] for row in versions(world.rt)] == [
        ("in force", versions(world.rt)[0][3], SOON),
        ("to come", SOON, LATER),
    ]
    pass_time(world, 1.5)
    meanwhile = in_force(world)
    pass_time(world, 1)

    assert before == [("*", 1), ("NG", 1)]
    assert meanwhile == [("*", 1), ("NG", 2)]
    assert in_force(world) == [("*", 1)]


def test_a_version_ends_where_a_planned_version_begins(world: World) -> None:
    set_route(world.rt, "NG", "alpha", rank=9, from_at=SOON)
    set_route(world.rt, "NG", "alpha", rank=1)

    assert [(row[0], row[2], row[4]) for row in versions(world.rt)] == [(1, "in force", SOON), (9, "to come", None)]


def test_a_planned_version_can_be_replaced(world: World) -> None:
    set_route(world.rt, "NG", "alpha", rank=9, from_at=SOON)
    set_route(world.rt, "NG", "alpha", rank=8, weight=0, from_at=SOON)

    assert [row[:3] for row in versions(world.rt, over=True)] == [(8, 0, "to come")]


def test_setting_the_same_route_again_makes_no_version(world: World) -> None:
    for _ in range(3):
        set_route(world.rt, "NG", "alpha", rank=2, cost=4200, currency="EUR")

    assert len(versions(world.rt, over=True)) == 1


def test_dropping_a_route_ends_its_version_now_and_deletes_planned_versions(world: World) -> None:
    set_route(world.rt, "NG", "alpha")
    set_route(world.rt, "NG", "alpha", rank=2, from_at=SOON)

    drop_route(world.rt, "NG", "alpha")

    assert [row[2] for row in versions(world.rt, over=True)] == ["over"]
    with pytest.raises(NotFound):
        drop_route(world.rt, "NG", "alpha")


def test_concurrent_changes_of_a_route_leave_one_version_in_force(world: World) -> None:
    runtimes = [Runtime(world.rt.settings) for _ in range(4)]

    def change(rt: Runtime, rank: int) -> None:
        with rt.begin() as conn:
            carriers.set_route(conn, "NG", "alpha", rank=rank)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(change, runtimes * 5, range(20)))
    for rt in runtimes:
        rt.close()

    history = sorted(versions(world.rt, over=True), key=lambda row: row[3])
    assert len(history) == 20
    assert [row[4] for row in history] == [*(row[3] for row in history[1:]), None]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"cost": 5}, "both cost and currency"),
        ({"currency": "EUR"}, "both cost and currency"),
        ({"cost": 5, "currency": "euro"}, "is not a currency"),
        ({"cost": -1, "currency": "EUR"}, "0 or more"),
        ({"from_at": LATER, "until_at": SOON}, "ends after it begins"),
        ({"until_at": datetime(2020, 1, 1, tzinfo=UTC)}, "ends after it begins"),
    ],
)
def test_a_version_with_an_invalid_cost_or_period_is_refused(world: World, asked: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        set_route(world.rt, "NG", "alpha", **asked)


def test_a_network_is_a_destination_of_routes_but_not_of_prices(world: World) -> None:
    set_route(world.rt, "621-20", "alpha")

    with pytest.raises(InvalidInput, match="is not a destination"):
        set_price(world.rt, "621-20", "NGN", 1, None)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ({"+234": "621-20"}, "is not a prefix"),
        ({"": "621-20"}, "is not a prefix"),
        ({"234": "62120"}, "is not a network"),
    ],
)
def test_an_invalid_numbering_plan_is_refused_and_changes_nothing(
    world: World, plan: dict[str, str], words: str
) -> None:
    set_networks(world.rt, {"234": "621-30"})

    with pytest.raises(InvalidInput, match=words):
        set_networks(world.rt, plan | {"235": "622-01"})

    assert list_networks(world.rt) == {"234": "621-30"}


@pytest.mark.parametrize("capabilities", [{"mms": True}, {"ucs2": "no"}])
def test_an_unknown_capability_or_a_value_that_is_not_boolean_is_refused(
    world: World, capabilities: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput, match="alphanumeric, ucs2, dlt"):
        set_carrier(world.rt, "beta", "simulated", {}, capabilities)


def test_new_settings_do_not_change_capabilities(world: World) -> None:
    set_carrier(world.rt, "beta", "simulated", {}, {"ucs2": False})
    set_carrier(world.rt, "beta", "simulated", {"script": {"seed": 3}})

    assert {row.name: row.capabilities for row in list_carriers(world.rt)}["beta"] == {"ucs2": False}
