"""What is done about what is left to spend with a carrier: drained when it is low, resumed when it is well above."""

import re
from decimal import Decimal

from schema.vocabulary import CarrierState

#: why a carrier is drained whose balance is low
LOW_BALANCE = "low_balance"
#: how many times the limit a balance must be before its carrier is resumed: a little more would soon be spent again
ENOUGH = Decimal("1.2")
#: beyond it no balance is believed
_MOST = Decimal(10) ** 15
_CURRENCY = re.compile(r"[A-Za-z]{1,8}")


def spell(balance: Decimal, currency: str) -> str | None:
    """Return a balance as it is kept, `12.34 EUR`; None where it is no amount that anybody has."""
    if not balance.is_finite() or abs(balance) > _MOST:
        return None
    amount = f"{round(balance, 6):f}"
    amount = amount.rstrip("0").rstrip(".") if "." in amount else amount
    return f"{amount} {currency}" if _CURRENCY.fullmatch(currency) else amount


def state(
    balance: Decimal, low: Decimal | None, state: CarrierState, reason: str | None
) -> tuple[CarrierState, str | None]:
    """Return the carrier's state and its reason from now on; who was drained for another reason stays so."""
    if low is not None and state is CarrierState.ACTIVE and balance < low:
        return CarrierState.DRAINED, LOW_BALANCE
    if state is CarrierState.DRAINED and reason == LOW_BALANCE and (low is None or balance > ENOUGH * low):
        return CarrierState.ACTIVE, None
    return state, reason
