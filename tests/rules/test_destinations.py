"""Destination matching: longest prefix first, then the network, the country, everywhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.routing.destinations import EVERYWHERE, Destinations, is_destination

LAGOS = "+2348012345678"


def found(*destinations: str, phone: str = LAGOS, country: str = "NG") -> list[list[str]]:
    """Return which of the destinations speak of the number, grouped as they are found."""
    return Destinations((word, word) for word in destinations)(phone, country)


@pytest.mark.parametrize(
    ("destinations", "expected"),
    [
        pytest.param(["*", "NG", "234", "234801"], [["234801"], ["234"], ["NG"], ["*"]], id="most particular first"),
        pytest.param(["234801", "234", "NG", "*"], [["234801"], ["234"], ["NG"], ["*"]], id="whatever their order"),
        pytest.param(["234802", "44", "GB"], [], id="none of them"),
        pytest.param(["*"], [["*"]], id="everywhere"),
        pytest.param(["2348012345678"], [["2348012345678"]], id="the whole number"),
        pytest.param(["23480123456789"], [], id="longer than the number"),
        pytest.param(["2", "23", "234"], [["234"], ["23"], ["2"]], id="each length"),
        pytest.param([], [], id="no rows"),
    ],
)
def test_the_most_specific_destination_comes_first(destinations: list[str], expected: list[list[str]]) -> None:
    assert found(*destinations) == expected


def test_rows_of_the_same_destination_stay_in_their_order() -> None:
    rows = Destinations([("234", "first"), ("*", "elsewhere"), ("234", "second")])

    assert rows(LAGOS, "NG") == [["first", "second"], ["elsewhere"]]


def test_a_number_without_a_country_matches_only_prefixes_and_the_star() -> None:
    assert found("NG", "883", "*", phone="+883510012345", country="") == [["883"], ["*"]]


def test_destinations_by_country_distinguish_countries_with_a_shared_calling_code() -> None:
    rows = Destinations([("CA", "Canada"), ("US", "United States")])

    assert rows("+15145550123", "CA") == [["Canada"]]
    assert rows("+15145550123", "US") == [["United States"]]


@given(
    st.sets(st.text("0123456789", min_size=1, max_size=6)),
    st.lists(st.text("0123456789", min_size=7, max_size=12), min_size=1),
)
def test_the_prefix_index_finds_the_same_rows_as_a_full_scan(places: set[str], numbers: list[str]) -> None:
    rows = Destinations((place, place) for place in places)

    for number in numbers:
        speaking = sorted((place for place in places if number.startswith(place)), key=len, reverse=True)
        assert rows(f"+{number}", "") == [[place] for place in speaking]


@pytest.mark.parametrize(
    ("word", "verdict"),
    [
        pytest.param(EVERYWHERE, True, id="everywhere"),
        pytest.param("NG", True, id="a country"),
        pytest.param("234", True, id="digits"),
        pytest.param("0", True, id="one digit"),
        pytest.param("", False, id="nothing"),
        pytest.param("ng", False, id="small letters"),
        pytest.param("NGA", False, id="three letters"),
        pytest.param("+234", False, id="a plus"),
        pytest.param("234*", False, id="digits and a star"),
        pytest.param("٢٣٤", False, id="digits of another script"),
        pytest.param("N1", False, id="a letter and a digit"),
    ],
)
def test_a_destination_is_digits_a_country_or_a_star(word: str, verdict: bool) -> None:
    assert is_destination(word) is verdict
