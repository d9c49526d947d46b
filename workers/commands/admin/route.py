"""`postroad route`: which carrier serves which destination."""

import click

from pipeline.stages.office import administer
from workers.terminal.layout import as_json, table
from workers.terminal.opened import opened

_OWNER = click.option("--account", help="For this account only; its own routes go before the common ones.")


@click.group()
def route() -> None:
    """Routes: which carrier serves which destination.

    DESTINATION is the number's leading digits (234803), a country (NG), or * for everywhere. The longest that fits is
    asked first; within it the lowest rank; within a rank the weight decides who gets which share. Those that follow
    are where a message goes when the first does not take it.
    """


@route.command()
@click.argument("destination")
@click.argument("carrier")
@click.option("--rank", default=1, show_default=True, help="Lower goes first.")
@click.option("--weight", default=100, show_default=True, help="Share among routes of the same destination and rank.")
@_OWNER
def add(destination: str, carrier: str, rank: int, weight: int, account: str | None) -> None:
    """Let CARRIER serve DESTINATION, or change its rank and weight."""
    with opened() as rt:
        administer.set_route(rt, destination, carrier, rank=rank, weight=weight, account=account)
    click.echo(f"{destination} goes to {carrier}, rank {rank}, weight {weight}")


@route.command()
@click.argument("destination")
@click.argument("carrier")
@_OWNER
def remove(destination: str, carrier: str, account: str | None) -> None:
    """Take the route of DESTINATION to CARRIER away."""
    with opened() as rt:
        administer.drop_route(rt, destination, carrier, account)
    click.echo(f"{destination} goes to {carrier} no more")


@route.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(json_: bool) -> None:
    """List routes, those for every account first."""
    with opened() as rt:
        rows = administer.list_routes(rt)
    if json_:
        click.echo(as_json(rows))
        return
    words = ("destination", "rank", "weight", "carrier", "state")
    cells = [[row["account"] or "every", *(row[word] for word in words)] for row in rows]
    click.echo(table(["account", "destination", "rank", "weight", "carrier", "carrier is"], cells))
