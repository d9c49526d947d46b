"""`postroad key`: creates, lists and revokes API keys."""

import json
from typing import Any

import click

from pipeline.dialects.registry import DIALECTS
from pipeline.stages.admin.api_keys import issue, list_keys
from pipeline.stages.admin.api_keys import revoke as void
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, pairs, table

_DIALECTS = click.Choice(list(DIALECTS))


@click.group()
def key() -> None:
    """API keys: each for one vendor's API and one account."""


def _setting(_ctx: click.Context, _option: click.Parameter, words: tuple[str, ...]) -> dict[str, Any]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise click.BadParameter(f"write NAME=VALUE, not {word!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


@key.command()
@click.argument("account")
@click.argument("dialect", type=_DIALECTS)
@click.option("--test", is_flag=True, help="Its messages are tests: no real carrier, no charge.")
@click.option("--name", default="", help="A name to recognise it by.")
@click.option("--scope", "scopes", multiple=True, help="A permission, in the vendor's terms.")
@click.option("--network", "networks", multiple=True, help="A network it may be used from: 203.0.113.0/24.")
@click.option("--setting", "settings", multiple=True, callback=_setting, help="NAME=VALUE, such as rate=50.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def create(
    account: str,
    dialect: str,
    test: bool,
    name: str,
    scopes: tuple[str, ...],
    networks: tuple[str, ...],
    settings: dict[str, Any],
    json_: bool,
) -> None:
    """Create a key of ACCOUNT for one vendor's API, and show it this once."""
    with opened() as rt:
        made = issue(
            rt,
            account,
            DIALECTS[dialect],
            test=test,
            name=name,
            scopes=scopes,
            networks=networks,
            settings=settings,
        )
    if json_:
        click.echo(as_json({"id": made.id, **made.credentials}))
        return
    click.echo(pairs({"key": str(made.id), **made.credentials}))
    click.echo("Store it: it is not shown again.", err=True)


@key.command("list")
@click.argument("account", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List the keys of ACCOUNT, or of all."""
    with opened() as rt:
        rows = list_keys(rt, account)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        (
            row["id"],
            row["account"],
            row["dialect"],
            row["name"],
            f"…{row['hint']}",
            "test" if row["test"] else "live",
            row["scopes"],
            row["networks"],
            row["created_at"],
            row["revoked_at"] or "",
        )
        for row in rows
    ]
    words = ["key", "account", "API", "name", "ends in", "mode", "scopes", "networks", "created", "revoked"]
    click.echo(table(words, cells))


@key.command()
@click.argument("account")
@click.argument("id_", metavar="KEY", type=int)
def revoke(account: str, id_: int) -> None:
    """Revoke the key KEY of ACCOUNT: the next call with it is refused."""
    with opened() as rt:
        void(rt, account, id_)
    click.echo(f"key {id_} is revoked")
