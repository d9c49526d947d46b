"""`postroad route`: sets, drops and lists routes."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from pipeline.stages.admin.routes import drop_route, list_routes, set_route
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Moment
from workers.cli.terminal.route_view import cost as read_cost
from workers.cli.terminal.table_layout import as_json, table

_OWNER = click.option("--account", help="For this account only; its own routes precede the common ones.")


class Cost(click.ParamType[int]):
    """The cost of a segment in units of its currency: `0.0042`."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return millionths; a usage error says how to write it."""
        try:
            millionths = Decimal(value) * 1_000_000
        except InvalidOperation:
            millionths = Decimal("NaN")
        if not (millionths.is_finite() and millionths >= 0 and millionths == millionths.to_integral_value()):
            self.fail(f"{value!r} is not a cost: write units of its currency, such as 0.0042 (at most 6 decimals)")
        return int(millionths)


@click.group()
def route() -> None:
    """Routes: which carrier serves which destination.

    DESTINATION is the number's leading digits (234803), a network as MCC-MNC (621-20, see `postroad network`), a
    country (NG), or * for everywhere. The longest matching digits come first, then the network, the country,
    everywhere; within each the lowest rank. Within a rank the weights assign each recipient to one carrier,
    the same for all messages of a sender. The next routes are used when the first carrier does not accept a message.

    A carrier that is drained, or does not support the message (`postroad carrier add --capabilities`), is skipped; one
    whose breaker is open comes last. `postroad explain --to NUMBER` shows the result.
    """


@route.command()
@click.argument("destination")
@click.argument("carrier")
@click.option("--rank", default=1, show_default=True, help="Lower goes first.")
@click.option(
    "--weight",
    default=100,
    show_default=True,
    help="Share among routes of the same destination and rank. 0: standby, after routes with a weight, the cheapest "
    "first.",
)
@click.option("--cost", type=Cost(), help="The carrier's price of a segment, in units of --currency: 0.0042.")
@click.option("--currency", help="ISO 4217. Costs are compared within one currency.")
@click.option("--from", "from_at", type=Moment(), help="In force from: ISO 8601 with a zone, or +2h, +1d.")
@click.option("--until", "until_at", type=Moment(), help="In force until; same format.")
@_OWNER
def add(destination: str, carrier: str, account: str | None, **version: Any) -> None:
    """Route DESTINATION to CARRIER, or change that route: the version in force ends where the new one begins.

    A version lasts until its --until, or until the next one begins. Past versions are kept.
    """
    with opened() as rt:
        set_route(rt, destination, carrier, account=account, **version)
    since = f" from {version['from_at']:%Y-%m-%d %H:%M} UTC on" if version["from_at"] else ""
    click.echo(f"{destination} goes to {carrier}, rank {version['rank']}, weight {version['weight']}{since}")


@route.command()
@click.argument("destination")
@click.argument("carrier")
@_OWNER
def drop(destination: str, carrier: str, account: str | None) -> None:
    """End the route of DESTINATION to CARRIER, with its future versions."""
    with opened() as rt:
        drop_route(rt, destination, carrier, account)
    click.echo(f"{destination} no longer goes to {carrier}")


#: the former name of `drop`
route.add_command(click.Command("remove", params=drop.params, callback=drop.callback, help=drop.help, hidden=True))


@route.command("list")
@click.option("--all", "over", is_flag=True, help="Also past versions.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(over: bool, json_: bool) -> None:
    """List current and future routes, the common ones first."""
    with opened() as rt:
        rows = list_routes(rt, over=over)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        (
            row["account"] or "every",
            row["destination"],
            row["rank"],
            row["weight"],
            read_cost(row["cost"], row["currency"]),
            row["carrier"],
            row["state"],
            row["stands"],
            _minute(row["from_at"]),
            _minute(row["until_at"]),
        )
        for row in rows
    ]
    headers = ["account", "destination", "rank", "weight", "cost", "carrier", "carrier is", "route is", "from", "until"]
    click.echo(table(headers, cells))


def _minute(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}Z" if at else "–"
