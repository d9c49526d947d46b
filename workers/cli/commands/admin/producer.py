"""`postroad producer`: keys by which producers encrypt and authenticate orders."""

import click

from pipeline.stages.admin import producer_keys as stage
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def producer() -> None:
    """Producer keys: with one, orders cannot be read or forged by access to the broker alone."""


@producer.command()
@click.argument("account")
def create(account: str) -> None:
    """Create a key for the producers of ACCOUNT, shown this once. It is their POSTROAD_PRODUCER_KEY."""
    with opened() as rt:
        click.echo(stage.create_key(rt, account))


@producer.command()
@click.argument("account")
@click.argument("key")
def revoke(account: str, key: str) -> None:
    """Revoke a KEY (its id in `list`) of ACCOUNT: orders sealed with it are refused within seconds."""
    with opened() as rt:
        stage.revoke_key(rt, account, key)
    click.echo(f"key {key} is revoked")


@producer.command()
@click.argument("account")
@click.option("--off", is_flag=True, help="Accept unsealed orders again.")
def require(account: str, off: bool) -> None:
    """Refuse orders of ACCOUNT that arrive through the broker unsealed. The HTTP APIs have their own keys."""
    with opened() as rt:
        stage.require_sealed(rt, account, not off)
    click.echo(f"{account}: orders " + ("may be unsealed" if off else "must be sealed with a producer key"))


@producer.command("list")
@click.argument("account", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List producer keys of ACCOUNT or of all, with revoked ones. Secrets are not shown."""
    with opened() as rt:
        found = stage.list_keys(rt, account)
    if json_:
        click.echo(as_json(list(found)))
        return
    columns = ("account", "id", "required", "created_at", "revoked_at")
    click.echo(
        table(
            ["account", "key", "sealed orders only", "created", "revoked"], [[row[c] for c in columns] for row in found]
        )
    )
