"""Which carriers may take a message, and in which order."""

from collections import Counter
from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules import ids
from pipeline.rules.routes import Route, RouteTable, draw

LAGOS = ("+2348012345678", "NG")


def route(carrier: str, destination: str = "*", *, rank: int = 1, weight: int = 100, own: bool = False) -> Route:
    return Route(destination, carrier, rank, weight, own)


def chain(*routes: Route, lot: float = 0.0) -> list[str]:
    return RouteTable(routes).chain(*LAGOS, lot)


@pytest.mark.parametrize(
    ("routes", "expected"),
    [
        pytest.param([route("common", "234801"), route("own", own=True)], ["own", "common"], id="own before common"),
        pytest.param([route("far"), route("near", "NG")], ["near", "far"], id="country before everywhere"),
        pytest.param([route("far", "23"), route("near", "234801")], ["near", "far"], id="longer digits first"),
        pytest.param([route("second", rank=2), route("first", rank=1)], ["first", "second"], id="lower rank first"),
        pytest.param(
            [route("first", "*", rank=1), route("second", "234", rank=9)], ["second", "first"], id="place before rank"
        ),
        pytest.param(
            [route("both", own=True), route("both", "234"), route("other")], ["both", "other"], id="each carrier once"
        ),
        pytest.param([route("elsewhere", "44"), route("abroad", "GB")], [], id="none serves it"),
        pytest.param([], [], id="no routes"),
    ],
)
def test_the_most_particular_route_goes_first(routes: list[Route], expected: list[str]) -> None:
    assert chain(*routes) == expected


@given(
    st.lists(
        st.builds(
            Route,
            destination=st.sampled_from(["*", "NG", "GB", "2", "234", "234801", "44"]),
            carrier=st.sampled_from("abcd"),
            rank=st.integers(1, 3),
            weight=st.integers(1, 100),
            own=st.booleans(),
        ),
        max_size=12,
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_every_carrier_that_serves_the_number_is_tried_once(routes: list[Route], lot: float) -> None:
    serving = {each.carrier for each in routes if each.destination in ("*", "NG", "2", "234", "234801")}

    tried = chain(*routes, lot=lot)

    assert sorted(tried) == sorted(serving)


def test_among_equals_each_goes_first_by_its_weight() -> None:
    table = RouteTable([route("half", weight=50), route("third", weight=30), route("fifth", weight=20)])
    first_id = ids.mint(datetime(2027, 3, 1, tzinfo=UTC), 4711)

    firsts = Counter(table.chain(*LAGOS, draw(first_id.int + place))[0] for place in range(10_000))

    assert {name: round(count / 100) for name, count in firsts.items()} == {"half": 50, "third": 30, "fifth": 20}


def test_whatever_is_drawn_all_equals_are_tried() -> None:
    table = RouteTable([route("a", weight=98), route("b", weight=1), route("c", weight=1)])

    chains = {tuple(table.chain(*LAGOS, place / 1000)) for place in range(1000)}

    assert {frozenset(each) for each in chains} == {frozenset("abc")}
    assert {each[0] for each in chains} == {"a", "b", "c"}


def test_a_draw_of_almost_one_still_finds_the_last() -> None:
    assert chain(route("a"), route("b"), lot=1 - 2**-32) == ["b", "a"]
    assert sorted(chain(route("a", weight=1), route("b", weight=2), lot=1.0)) == ["a", "b"]


@pytest.mark.parametrize("lot", [0.0, 0.3, 0.7])
def test_the_order_in_which_routes_were_written_changes_nothing(lot: float) -> None:
    routes = [route("a", weight=10), route("b", weight=20), route("c", weight=70)]

    assert len({tuple(chain(*order, lot=lot)) for order in permutations(routes)}) == 1


@given(st.integers(0, (1 << 128) - 1))
def test_a_draw_is_from_0_up_to_1_and_the_same_at_every_asking(place: int) -> None:
    assert 0 <= draw(place) < 1
    assert draw(place) == draw(place)


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_the_draws_of_neighbours_are_spread_evenly(step: int) -> None:
    first = ids.mint(datetime(2027, 3, 1, tzinfo=UTC), 99)

    tenths = Counter(int(draw(first.int + place * step) * 10) for place in range(10_000))

    assert all(900 < tenths[tenth] < 1100 for tenth in range(10))
