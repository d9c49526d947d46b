"""`postroad producer`: keys with which producers seal the orders that they enqueue."""

import click

from pipeline.stages.admin import producer_keys as stage
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def producer() -> None:
    """Producers' keys: orders sealed with one can be read, and made, by nobody who only reaches the broker."""


@producer.command()
@click.argument("account")
def create(account: str) -> None:
    """Make a key for the producers of ACCOUNT, shown this once. It is their POSTROAD_PRODUCER_KEY."""
    with opened() as rt:
        click.echo(stage.create_key(rt, account))


@producer.command()
@click.argument("account")
@click.argument("key")
def revoke(account: str, key: str) -> None:
    """Void a key (its id, as `list` shows it) of ACCOUNT: orders sealed with it are refused within seconds."""
    with opened() as rt:
        stage.revoke_key(rt, account, key)
    click.echo(f"key {key} is void")


@producer.command()
@click.argument("account")
@click.option("--off", is_flag=True, help="Take open orders again.")
def require(account: str, off: bool) -> None:
    """Refuse the orders of ACCOUNT that come through the broker unsealed. The HTTP APIs have keys of their own."""
    with opened() as rt:
        stage.require_sealed(rt, account, not off)
    click.echo(f"{account}: orders " + ("may come open" if off else "must be sealed with a producer key"))


@producer.command("list")
@click.argument("account", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List producers' keys, the revoked too, of ACCOUNT or of all. Secrets are not shown."""
    with opened() as rt:
        found = stage.list_keys(rt, account)
    if json_:
        click.echo(as_json(list(found)))
        return
    columns = ("account", "id", "required", "created_at", "revoked_at")
    click.echo(
        table(["account", "key", "sealed orders only", "made", "revoked"], [[row[c] for c in columns] for row in found])
    )
