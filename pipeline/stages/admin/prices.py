"""Prices per segment, as operators set and list them."""

from typing import Any

from pipeline.errors import InvalidInput, require
from pipeline.rules.money.currencies import MOST_MONEY, check_currency
from pipeline.rules.routing.destinations import is_destination
from pipeline.runtime import Runtime
from pipeline.store import accounts, batches, wallet_ledger

Row = dict[str, Any]


def set_price(rt: Runtime, destination: str, currency: str | None, per_segment: int, account: str | None) -> str:
    """Set a price in minor units for all accounts, or for one, in force from now; return its currency.

    The currency may be omitted for an account's price: it is the account's. InvalidInput or NotFound.
    """
    words = f"{destination!r} is not a destination: write leading digits (234803), a country (NG), or * for everywhere"
    require(is_destination(destination), words)
    require(0 <= per_segment <= MOST_MONEY, "a price is a whole number of minor units a segment, 0 or more")
    with rt.begin() as conn:
        owner = accounts.named(conn, account) if account else None
        currency = currency or (owner.currency if owner else "")
        check_currency(currency)
        if owner and owner.currency != currency:
            raise InvalidInput(f"the currency of account {owner.name!r} is {owner.currency}, not {currency}")
        from_at = rt.common_time(batches.clock(conn))
        wallet_ledger.set_price(conn, destination, currency, per_segment, from_at, owner.id if owner else None)
    return currency


def list_prices(rt: Runtime) -> list[Row]:
    """Return the prices in force, those for all accounts first."""
    with rt.begin() as conn:
        return wallet_ledger.list_prices(conn, rt.common_time(batches.clock(conn)))


def some_prices(
    rt: Runtime, limit: int, *, destination: str = "", account: str | None = None, currency: str | None = None
) -> tuple[list[Row], int]:
    """Return up to `limit` prices in force, those for all accounts first, and how many more there are.

    `destination`: what their destination begins with; `account`: whose prices besides the common ones, None: any.
    """
    with rt.read_only() as conn:
        now = rt.common_time(batches.clock(conn))
        return wallet_ledger.some_prices(conn, now, destination, account, currency, limit)
