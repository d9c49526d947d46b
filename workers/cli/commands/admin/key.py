"""`postroad key`: creates, rotates, lists and revokes API keys."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from pipeline.dialects.registry import DIALECTS
from pipeline.stages.admin.api_keys import IssuedKey, issue, list_keys, rotate_key
from pipeline.stages.admin.api_keys import revoke as void
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Moment
from workers.cli.terminal.table_layout import as_json, pairs, table

#: for which a rotated key is still valid
_OVERLAP = timedelta(days=7)
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
@click.option("--expires", "expires_at", type=Moment(), help="When it expires: ISO 8601, or +90d; otherwise never.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def create(
    account: str,
    dialect: str,
    test: bool,
    name: str,
    scopes: tuple[str, ...],
    networks: tuple[str, ...],
    settings: dict[str, Any],
    expires_at: datetime | None,
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
            expires_at=expires_at,
        )
    _print_key(made, json_)


@key.command()
@click.argument("account")
@click.argument("id_", metavar="KEY", type=int)
@click.option("--until", type=Moment(), help="When KEY expires: ISO 8601, or +2d.  [default: +7d]")
@click.option(
    "--expires", "expires_at", type=Moment(), help="When the new key expires; otherwise after KEY's lifetime."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def rotate(account: str, id_: int, until: datetime | None, expires_at: datetime | None, json_: bool) -> None:
    """Create a key like KEY of ACCOUNT, and show it this once; both are valid until KEY expires.

    Webhooks that are signed with a key are signed with KEY until then.
    """
    until = until or datetime.now(UTC) + _OVERLAP
    with opened() as rt:
        made = rotate_key(rt, account, id_, DIALECTS, until=until, expires_at=expires_at)
    _print_key(made, json_)
    click.echo(f"key {id_} expires at {until:%Y-%m-%d %H:%M} UTC, if not before", err=True)


def _print_key(made: IssuedKey, json_: bool) -> None:
    expires = {"expires_at": made.expires_at} if made.expires_at else {}
    if json_:
        click.echo(as_json({"id": made.id, **made.credentials, **expires}))
        return
    shown = {name: f"{at:%Y-%m-%d %H:%M} UTC" for name, at in expires.items()}
    click.echo(pairs({"key": str(made.id), **made.credentials, **shown}))
    click.echo("Store it: it is not shown again.", err=True)


@key.command("list")
@click.argument("account", required=False)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List the keys of ACCOUNT, or of all. The last use is known to the hour."""
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
            row["last_used_at"] or "never",
            row["expires_at"] or "",
            row["revoked_at"] or "",
            row["replaces"] or "",
        )
        for row in rows
    ]
    words = ["key", "account", "API", "name", "ends in", "mode", "scopes", "networks"]
    words += ["created", "last used", "expires", "revoked", "replaces"]
    click.echo(table(words, cells))


@key.command()
@click.argument("account")
@click.argument("id_", metavar="KEY", type=int)
def revoke(account: str, id_: int) -> None:
    """Revoke the key KEY of ACCOUNT: the next call with it is refused."""
    with opened() as rt:
        void(rt, account, id_)
    click.echo(f"key {id_} is revoked")
