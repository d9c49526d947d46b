"""Routes, as operators set, end and list them."""

from datetime import datetime
from typing import Any

from pipeline.errors import NotFound, require
from pipeline.rules.money.currencies import MOST_MONEY, check_currency
from pipeline.rules.routing.destinations import is_destination, is_network
from pipeline.runtime import Runtime
from pipeline.store import accounts, carriers
from pipeline.store.carriers import RouteVersion

Row = dict[str, Any]


def set_route(
    rt: Runtime,
    destination: str,
    carrier: str,
    *,
    rank: int = 1,
    weight: int = 100,
    cost: int | None = None,
    currency: str | None = None,
    from_at: datetime | None = None,
    until_at: datetime | None = None,
    account: str | None = None,
) -> None:
    """Create a route, or a new version of it, for all accounts or one; cost is in millionths of the currency."""
    words = (
        f"{destination!r} is not a destination: write leading digits (234803), a network as MCC-MNC (621-20), a country"
        " (NG), or * for everywhere"
    )
    require(is_destination(destination) or is_network(destination), words)
    require(0 <= rank <= 1000, "a rank is a whole number from 0 to 1000; lower goes first")
    require(0 <= weight <= 10_000, "a weight is a whole number from 0 to 10000")
    require((cost is None) == (currency is None), "give both cost and currency, or neither")
    require(cost is None or 0 <= cost <= MOST_MONEY, "a cost is 0 or more")
    if currency is not None:
        check_currency(currency)
    require(until_at is None or until_at > (from_at or rt.now()), "a route ends after it begins")
    version = RouteVersion(rank, weight, cost, currency, from_at, until_at)
    with rt.begin() as conn:
        if carrier not in {row.name for row in carriers.all_of(conn)}:
            raise NotFound(f"there is no carrier {carrier!r}: `postroad carrier list` shows them")
        owner = accounts.named(conn, account).id if account else None
        carriers.set_route(conn, destination, carrier, version, account=owner)


def drop_route(rt: Runtime, destination: str, carrier: str, account: str | None = None) -> None:
    """End a route for all accounts, or for one; NotFound."""
    with rt.begin() as conn:
        owner = accounts.named(conn, account).id if account else None
        if not carriers.drop_route(conn, destination, carrier, owner):
            raise NotFound(f"no route {destination} {carrier}: `postroad route list` shows them")


def list_routes(rt: Runtime, *, over: bool = False) -> list[Row]:
    """Return current and future routes (with `over` also past ones), those for all accounts first."""
    with rt.begin() as conn:
        return carriers.list_routes(conn, over=over)


def some_routes(rt: Runtime, destination: str, carrier: str | None, limit: int) -> tuple[list[Row], int]:
    """Return up to `limit` current and future routes, those for all accounts first, and how many more there are.

    `destination`: what their destination begins with; `carrier`: None: any.
    """
    with rt.read_only() as conn:
        return carriers.some_routes(conn, destination, carrier, limit)
