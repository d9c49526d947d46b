"""`postroad price`: sets and lists prices per segment, by destination."""

import click

from pipeline.stages.admin.prices import list_prices, set_price
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def price() -> None:
    """Prices per segment, by destination, in minor units of the account's currency.

    The longest matching destination applies; an account's own price precedes the common one. Without a price a message
    is rejected.
    """


@price.command("set")
@click.argument("destination")
@click.argument("amount", type=int)
@click.option("--currency", help="ISO 4217; may be left out with --account.")
@click.option("--account", help="For this account only.")
def set_(destination: str, amount: int, currency: str | None, account: str | None) -> None:
    """Set the price of a segment to DESTINATION (234803, NG or *) to AMOUNT minor units, from now on."""
    with opened() as rt:
        unit = set_price(rt, destination, currency, amount, account)
    click.echo(f"a segment to {destination} costs {amount} {unit} minor units")


@price.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(json_: bool) -> None:
    """List the prices in force, the common ones first."""
    with opened() as rt:
        rows = list_prices(rt)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        (row["account"] or "every", row["destination"], row["per_segment"], row["currency"], row["from_at"])
        for row in rows
    ]
    click.echo(table(["account", "destination", "per segment", "currency", "since"], cells))
