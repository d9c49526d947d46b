"""Carrier balances: stored form, draining when low, resuming."""

from decimal import Decimal

import pytest

from pipeline.rules.money.carrier_balances import LOW_BALANCE, spell, state
from schema.vocabulary import CarrierState

ACTIVE, DRAINED = CarrierState


SPELT = [
    ("12.34", "EUR", "12.34 EUR"),
    ("12.340000", "EUR", "12.34 EUR"),
    ("1200", "", "1200"),
    ("-3", "USD", "-3 USD"),
    ("1E+3", "credits", "1000 credits"),
    ("0.12345678", "NGN", "0.123457 NGN"),
    ("5", "EUR; drop", "5"),
    ("NaN", "EUR", None),
    ("1E+400", "EUR", None),
]


@pytest.mark.parametrize(("amount", "currency", "spelt"), SPELT)
def test_a_balance_is_stored_as_an_amount_and_its_currency_or_not_at_all(
    amount: str, currency: str, spelt: str | None
) -> None:
    assert spell(Decimal(amount), currency) == spelt


#: balance, limit, how the carrier stood, how it stands
STANDS = {
    "enough": ("20", 20, (ACTIVE, None), (ACTIVE, None)),
    "too little": ("19.99", 20, (ACTIVE, None), (DRAINED, LOW_BALANCE)),
    "a little more is not enough": ("24", 20, (DRAINED, LOW_BALANCE), (DRAINED, LOW_BALANCE)),
    "well above": ("24.01", 20, (DRAINED, LOW_BALANCE), (ACTIVE, None)),
    "nobody asks any more": ("1", None, (DRAINED, LOW_BALANCE), (ACTIVE, None)),
    "an operator's word": ("100", 20, (DRAINED, "contract ended"), (DRAINED, "contract ended")),
    "an operator who said nothing": ("100", 20, (DRAINED, None), (DRAINED, None)),
    "too little, and drained before": ("1", 20, (DRAINED, "contract ended"), (DRAINED, "contract ended")),
    "no limit": ("-5", None, (ACTIVE, None), (ACTIVE, None)),
    "nothing left": ("-0.01", 0, (ACTIVE, None), (DRAINED, LOW_BALANCE)),
}


@pytest.mark.parametrize("name", STANDS)
def test_a_carrier_is_drained_when_its_balance_is_low_and_resumed_when_it_is_not(name: str) -> None:
    balance, low, before, after = STANDS[name]

    assert state(Decimal(balance), None if low is None else Decimal(low), *before) == after
