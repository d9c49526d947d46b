"""Amounts in major units of their currency."""

import pytest

from pipeline.rules.money.currencies import major


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
