"""`postroad route`: which carrier serves which destination."""

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import click

from pipeline.stages.admin import administer
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Moment
from workers.cli.terminal.route_view import cost as read_cost
from workers.cli.terminal.table_layout import as_json, table

_OWNER = click.option("--account", help="For this account only; its own routes go before the common ones.")


class Cost(click.ParamType[int]):
    """What a segment costs in units of its currency: `0.0042`."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return millionths; a usage error says how to write it."""
        try:
            millionths = Decimal(value) * 1_000_000
        except InvalidOperation:
            millionths = Decimal("NaN")
        if not (millionths.is_finite() and millionths >= 0 and millionths == millionths.to_integral_value()):
            self.fail(f"{value!r} is no cost: write units of its currency, as 0.0042 (6 places at most)")
        return int(millionths)


@click.group()
def route() -> None:
    """Routes: which carrier serves which destination.

    DESTINATION is the number's leading digits (234803), a network as MCC-MNC (621-20, see `postroad network`), a
    country (NG), or * for everywhere. The longest digits that fit are asked first, then the network, the country,
    everywhere; within each the lowest rank. Within a rank each recipient belongs to one carrier, by the weights: the
    same one for all messages of a sender. Those that follow are where a message goes when the first does not take it.

    A carrier that is drained, or cannot carry the message (`postroad carrier add --capabilities`), is passed over;
    one whose breaker is open comes last. `postroad explain --to NUMBER` shows what comes of it all.
    """


@route.command()
@click.argument("destination")
@click.argument("carrier")
@click.option("--rank", default=1, show_default=True, help="Lower goes first.")
@click.option(
    "--weight",
    default=100,
    show_default=True,
    help="Share among routes of the same destination and rank. 0: stands by behind those that have one, the cheapest "
    "of these first.",
)
@click.option("--cost", type=Cost(), help="What the carrier asks for a segment, in units of --currency: 0.0042.")
@click.option("--currency", help="ISO 4217. Costs are compared within one currency.")
@click.option("--from", "from_at", type=Moment(), help="In force from then: ISO 8601 with its zone, or +2h, +1d.")
@click.option("--until", "until_at", type=Moment(), help="And not any more from then; written the same way.")
@_OWNER
def add(destination: str, carrier: str, account: str | None, **version: Any) -> None:
    """Let CARRIER serve DESTINATION, or change how: the version in force ends where the new one begins.

    A version lasts until its --until, or until the next one begins. What was in force when is kept.
    """
    with opened() as rt:
        administer.set_route(rt, destination, carrier, account=account, **version)
    since = f" from {version['from_at']:%Y-%m-%d %H:%M} UTC on" if version["from_at"] else ""
    click.echo(f"{destination} goes to {carrier}, rank {version['rank']}, weight {version['weight']}{since}")


@route.command()
@click.argument("destination")
@click.argument("carrier")
@_OWNER
def drop(destination: str, carrier: str, account: str | None) -> None:
    """Let CARRIER serve DESTINATION no more, now or later."""
    with opened() as rt:
        administer.drop_route(rt, destination, carrier, account)
    click.echo(f"{destination} goes to {carrier} no more")


#: what it was called before routes had versions
route.add_command(click.Command("remove", params=drop.params, callback=drop.callback, help=drop.help, hidden=True))


@route.command("list")
@click.option("--all", "over", is_flag=True, help="Also what is over.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(over: bool, json_: bool) -> None:
    """List routes in force and to come, those for every account first."""
    with opened() as rt:
        rows = administer.list_routes(rt, over=over)
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
