"""Carrier balances: a carrier is drained when its balance is low, and resumed when it is well above the limit."""

import re
from decimal import Decimal

from schema.vocabulary import CarrierState

#: reason of a carrier drained for its balance
LOW_BALANCE = "low_balance"
#: multiple of the limit at which its carrier is resumed: hysteresis
ENOUGH = Decimal("1.2")
#: balances from here on are treated as errors
_MOST = Decimal(10) ** 15
_CURRENCY = re.compile(r"[A-Za-z]{1,8}")


def spell(balance: Decimal, currency: str) -> str | None:
    """Return a balance in its stored form, `12.34 EUR`; None for an implausible amount."""
    if not balance.is_finite() or abs(balance) > _MOST:
        return None
    amount = f"{round(balance, 6):f}"
    amount = amount.rstrip("0").rstrip(".") if "." in amount else amount
    return f"{amount} {currency}" if _CURRENCY.fullmatch(currency) else amount


def state(
    balance: Decimal, low: Decimal | None, state: CarrierState, reason: str | None
) -> tuple[CarrierState, str | None]:
    """Return the carrier's new state and reason; one drained for another reason stays so."""
    if low is not None and state is CarrierState.ACTIVE and balance < low:
        return CarrierState.DRAINED, LOW_BALANCE
    if state is CarrierState.DRAINED and reason == LOW_BALANCE and (low is None or balance > ENOUGH * low):
        return CarrierState.ACTIVE, None
    return state, reason
