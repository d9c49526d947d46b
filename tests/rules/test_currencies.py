"""Amounts in major units of their currency."""

import pytest

from pipeline.rules.money.currencies import major, spell


@pytest.mark.parametrize(
    ("amount", "currency", "reported"),
    [
        (100_000, "GBP", 1000),
        (1_234, "NGN", 12.34),
        (-50, "EUR", -0.5),
        (-200, "EUR", -2),
        (25, "XOF", 25),
        (1_500, "KWD", 1.5),
        (0, "GBP", 0),
    ],
)
def test_an_amount_is_converted_to_major_units_with_the_decimals_of_its_currency(
    amount: int, currency: str, reported: float
) -> None:
    found = major(amount, currency)

    assert (found, type(found)) == (reported, type(reported))


@pytest.mark.parametrize(
    ("amount", "currency", "spelt"),
    [
        (300, "NGN", "3.00 NGN"),
        (123_456_789_012_345, "EUR", "1,234,567,890,123.45 EUR"),
        (1_234, "XOF", "1,234 XOF"),
        (1_500, "KWD", "1.500 KWD"),
        (-5, "EUR", "-0.05 EUR"),
    ],
)
def test_an_amount_is_spelt_with_all_decimals_of_its_currency(amount: int, currency: str, spelt: str) -> None:
    assert spell(amount, currency) == spelt
