"""Mobile networks of numbers, by prefix."""

import pytest

from pipeline.rules.numbers.networks import UNKNOWN, Numbering

PLAN = Numbering({"234803": "621-30", "23480": "621-20", "2348031": "621-60", "1": "310-260"})


@pytest.mark.parametrize(
    ("phone", "network"),
    [
        pytest.param("+2348032345678", "621-30", id="longer digits before shorter"),
        pytest.param("+2348031345678", "621-60", id="the longest"),
        pytest.param("+2348092345678", "621-20", id="the shortest that fits"),
        pytest.param("+12025550123", "310-260", id="one digit"),
        pytest.param("+447400123456", "", id="nobody's"),
        pytest.param("+23480", "621-20", id="as long as the digits"),
        pytest.param("+2348", "", id="shorter than the digits"),
    ],
)
def test_a_number_has_the_network_of_its_longest_matching_prefix(phone: str, network: str) -> None:
    assert PLAN.network(phone) == network


def test_no_number_has_a_network_in_an_empty_numbering_plan() -> None:
    assert UNKNOWN.network("+2348032345678") == ""
