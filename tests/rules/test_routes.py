"""Routing: which carriers may take a message, in which order, and why other routes were not chosen."""

from collections import Counter
from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.identity import ids
from pipeline.rules.numbers.networks import Numbering
from pipeline.rules.routing.routes import Decision, RouteQuery, RouteTable, decide, draw
from pipeline.rules.routing.routing_snapshot import CarrierSnapshot, Route, RoutingSnapshot
from schema.routing import Capability, RouteLoss
from schema.vocabulary import CarrierState, Encoding
from tests.rules.route_tables import CARRIERS, asks, snapshots

LAGOS = RouteQuery("+2348012345678", "NG", "ACME", Encoding.GSM7)
MUMBAI = RouteQuery("+919812345678", "IN", "ACME", Encoding.GSM7)
NETWORKS = Numbering({"234801": "621-20", "23480": "621-30"})


def route(
    carrier: str,
    destination: str = "*",
    *,
    rank: int = 1,
    weight: int = 100,
    own: bool = False,
    cost: int | None = None,
) -> Route:
    return Route(destination, carrier, rank, weight, own, cost, None if cost is None else "EUR")


def chain(*routes: Route, ask: RouteQuery = LAGOS) -> list[str]:
    return list(RouteTable(RoutingSnapshot(routes, numbering=NETWORKS)).chain(ask))


def losses(decision: Decision) -> dict[str, RouteLoss | None]:
    """Return why each carrier lost."""
    return {each.route.carrier: each.loss for each in decision.candidates}


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param([route("common", "234801"), route("own", own=True)], ["own", "common"], id="own before common"),
        pytest.param([route("far"), route("near", "NG")], ["near", "far"], id="country before everywhere"),
        pytest.param([route("far", "23"), route("near", "234801")], ["near", "far"], id="longer digits first"),
        pytest.param([route("far", "NG"), route("near", "621-20")], ["near", "far"], id="network before country"),
        pytest.param([route("far", "621-20"), route("near", "2")], ["near", "far"], id="digits before network"),
        pytest.param([route("other", "621-30"), route("its", "621-20")], ["its"], id="its own network only"),
        pytest.param([route("second", rank=2), route("first", rank=1)], ["first", "second"], id="lower rank first"),
        pytest.param(
            [route("first", "*", rank=1), route("second", "234", rank=9)], ["second", "first"], id="place before rank"
        ),
        pytest.param(
            [route("both", own=True), route("both", "234"), route("other")], ["both", "other"], id="each carrier once"
        ),
        pytest.param([route("elsewhere", "44"), route("abroad", "GB")], [], id="none serves it"),
        pytest.param(
            [route("spare", weight=0), route("next", rank=2), route("shares", weight=1)],
            ["shares", "spare", "next"],
            id="those without a share behind those with one",
        ),
        pytest.param(
            [
                route("dear", weight=0, cost=9),
                route("unknown", weight=0),
                route("cheap", weight=0, cost=7),
                route("cheap too", weight=0, cost=7),
            ],
            ["cheap", "cheap too", "dear", "unknown"],
            id="without shares the cheapest first",
        ),
        pytest.param([], [], id="no routes"),
    ],
)
def test_the_most_specific_route_comes_first_then_rank_weight_and_cost(
    routes: list[Route], expected: list[str]
) -> None:
    assert chain(*routes) == expected


def test_costs_do_not_affect_the_order_of_routes_with_weights() -> None:
    cheap, dear = route("a", cost=1), route("b", cost=900)
    free = [route("a"), route("b")]

    asked = [LAGOS._replace(phone=f"+23480{number:08d}") for number in range(100)]

    assert [chain(cheap, dear, ask=ask) for ask in asked] == [chain(*free, ask=ask) for ask in asked]


@given(snapshots, asks)
def test_the_chain_has_every_carrier_that_can_take_the_message_once(snapshot: RoutingSnapshot, ask: RouteQuery) -> None:
    tried = RouteTable(snapshot).chain(ask)

    network = snapshot.numbering.network(ask.phone)
    speaking = {
        line.carrier
        for line in snapshot.routes
        if line.destination in ("*", ask.country, network)
        or (line.destination.isdigit() and ask.phone[1:].startswith(line.destination))
    }
    needs = {
        Capability.ALPHANUMERIC: ask.sender == "ACME",
        Capability.UCS2: ask.encoding is Encoding.UCS2,
        Capability.DLT: ask.country == "IN",
    }
    unfit = {
        name
        for name, standing in snapshot.carriers.items()
        if standing.state is CarrierState.DRAINED or any(needs[each] for each in standing.lacks)
    }
    assert sorted(tried) == sorted(speaking - unfit)


@given(snapshots, asks, st.frozensets(st.sampled_from(CARRIERS)))
def test_a_routing_decision_agrees_with_the_chain(
    snapshot: RoutingSnapshot, ask: RouteQuery, tried: frozenset[str]
) -> None:
    table = RouteTable(snapshot)
    chain = table.chain(ask)

    decision = decide(snapshot, ask, tried)

    assert table.first(ask) == (chain[0] if chain else None)
    assert decision.chain == tuple(carrier for carrier in chain if carrier not in tried)
    assert [each.route.carrier for each in decision.candidates if each.loss is None] == list(decision.chain[:1])
    placed = {each.place: each.route.carrier for each in decision.candidates if each.place}
    assert placed == dict(enumerate(decision.chain, start=1))
    assert len(decision.candidates) + decision.elsewhere == len(snapshot.routes)


REASONS: list[tuple[list[Route], RoutingSnapshot | None, RouteQuery, tuple[str, ...], RouteLoss]] = [
    (
        [route("won"), route("lost")],
        RoutingSnapshot([], {"lost": CarrierSnapshot(CarrierState.DRAINED)}),
        LAGOS,
        (),
        RouteLoss.DRAINED,
    ),
    ([route("lost"), route("won", rank=2)], None, LAGOS, ("lost",), RouteLoss.TRIED),
    (
        [route("lost"), route("won", rank=2)],
        RoutingSnapshot([], {"lost": CarrierSnapshot(lacks=frozenset({Capability.ALPHANUMERIC}))}),
        LAGOS,
        (),
        RouteLoss.NO_ALPHANUMERIC,
    ),
    (
        [route("lost"), route("won", rank=2)],
        RoutingSnapshot([], {"lost": CarrierSnapshot(lacks=frozenset({Capability.UCS2}))}),
        LAGOS._replace(encoding=Encoding.UCS2),
        (),
        RouteLoss.NO_UCS2,
    ),
    (
        [route("lost"), route("won", rank=2)],
        RoutingSnapshot([], {"lost": CarrierSnapshot(lacks=frozenset({Capability.DLT}))}),
        MUMBAI,
        (),
        RouteLoss.NO_DLT,
    ),
    (
        [route("lost"), route("won", rank=2)],
        RoutingSnapshot([], unhealthy=frozenset({"lost"})),
        LAGOS,
        (),
        RouteLoss.UNHEALTHY,
    ),
    (
        [route("lost"), route("won", rank=2)],
        RoutingSnapshot([], unhealthy=frozenset({"lost/NG"})),
        LAGOS,
        (),
        RouteLoss.UNHEALTHY,
    ),
    ([route("won", own=True), route("lost", "234")], None, LAGOS, (), RouteLoss.COMMON),
    ([route("won", "NG"), route("lost")], None, LAGOS, (), RouteLoss.LESS_SPECIFIC),
    ([route("won"), route("lost", rank=2)], None, LAGOS, (), RouteLoss.HIGHER_RANK),
    ([route("won", weight=10_000), route("lost", weight=1)], None, LAGOS, (), RouteLoss.SHARE),
    ([route("won"), route("lost", weight=0)], None, LAGOS, (), RouteLoss.SPARE),
    ([route("won", weight=0, cost=1), route("lost", weight=0, cost=2)], None, LAGOS, (), RouteLoss.MORE_EXPENSIVE),
]


@pytest.mark.parametrize(
    ("routes", "state", "ask", "tried", "reason"), [pytest.param(*case, id=case[-1]) for case in REASONS]
)
def test_each_route_that_was_not_chosen_has_its_reason(
    routes: list[Route], state: RoutingSnapshot | None, ask: RouteQuery, tried: tuple[str, ...], reason: RouteLoss
) -> None:
    around = state or RoutingSnapshot([])

    decision = decide(RoutingSnapshot(routes, around.carriers, around.unhealthy), ask, tried)

    assert (decision.carrier, losses(decision)) == ("won", {"won": None, "lost": reason})


def test_a_second_route_of_the_same_carrier_is_marked_as_repeated() -> None:
    decision = decide(RoutingSnapshot([route("a", "NG"), route("a"), route("b", "44")]), LAGOS)

    assert [(each.route.destination, each.loss) for each in decision.candidates] == [
        ("NG", None),
        ("*", RouteLoss.REPEATED),
    ]
    assert decision.elsewhere == 1


def test_every_reason_why_a_route_is_not_chosen_is_tested() -> None:
    assert {case[-1] for case in REASONS} | {RouteLoss.REPEATED} == set(RouteLoss)


@pytest.mark.parametrize(
    ("lacks", "ask"),
    [
        (Capability.ALPHANUMERIC, LAGOS._replace(sender="12345")),
        (Capability.ALPHANUMERIC, LAGOS._replace(sender="+4915112345678")),
        (Capability.UCS2, LAGOS),
        (Capability.DLT, LAGOS),
    ],
)
def test_a_carrier_may_lack_a_capability_that_a_message_does_not_need(lacks: Capability, ask: RouteQuery) -> None:
    snapshot = RoutingSnapshot([route("a")], {"a": CarrierSnapshot(lacks=frozenset({lacks}))})

    assert RouteTable(snapshot).chain(ask) == ("a",)


def test_an_open_breaker_of_one_country_does_not_affect_another_country() -> None:
    table = RouteTable(RoutingSnapshot([route("a"), route("b", rank=2)], unhealthy=frozenset({"a/GB"})))

    assert table.chain(LAGOS) == ("a", "b")
    assert table.chain(RouteQuery("+447400123456", "GB", "ACME")) == ("b", "a")


def test_unhealthy_carriers_are_used_when_no_carrier_is_healthy() -> None:
    decision = decide(RoutingSnapshot([route("a"), route("b", rank=2)], unhealthy=frozenset({"a", "b"})), LAGOS)

    assert decision.chain == ("a", "b")
    assert losses(decision) == {"a": None, "b": RouteLoss.HIGHER_RANK}


def test_routes_of_equal_rank_come_first_in_proportion_to_their_weights() -> None:
    table = RouteTable(
        RoutingSnapshot([route("half", weight=50), route("third", weight=30), route("fifth", weight=20)])
    )

    firsts = Counter(table.first(LAGOS._replace(phone=f"+23480{number:08d}")) for number in range(10_000))

    assert {name: round(count / 500) for name, count in firsts.items()} == {"half": 10, "third": 6, "fifth": 4}


def test_a_recipient_has_the_same_carrier_for_every_message() -> None:
    table = RouteTable(RoutingSnapshot([route("a"), route("b"), route("c")]))

    assert len({table.chain(LAGOS._replace(encoding=each)) for each in (*Encoding, None)}) == 1
    assert table.chain(LAGOS) == RouteTable(RoutingSnapshot([route("c"), route("b"), route("a")])).chain(LAGOS)


@given(asks)
def test_the_chain_does_not_depend_on_the_order_of_the_routes(ask: RouteQuery) -> None:
    routes = [route("a", weight=10), route("b", weight=20), route("c", weight=0), route("d", weight=0)]

    assert len({tuple(chain(*order, ask=ask)) for order in permutations(routes)}) == 1


def test_the_cache_of_a_route_table_is_bounded() -> None:
    table = RouteTable(RoutingSnapshot([route("a", "23480123"), route("b")]))

    for number in range(25_000):
        assert table.first(LAGOS._replace(phone=f"+234{number:05d}12345")) == "b"

    assert len(table._ways) <= 20_000


@given(st.integers(0, (1 << 128) - 1))
def test_a_draw_is_from_0_up_to_1_and_deterministic(place: int) -> None:
    assert 0 <= draw(place) < 1
    assert draw(place) == draw(place)


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_draws_of_consecutive_ids_are_uniformly_distributed(step: int) -> None:
    first = ids.new_ids(datetime(2027, 3, 1, tzinfo=UTC), 99)

    tenths = Counter(int(draw(first.int + place * step) * 10) for place in range(10_000))

    assert all(900 < tenths[tenth] < 1100 for tenth in range(10))
