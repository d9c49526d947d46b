"""`postroad carrier`: whom messages are given to."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from pipeline.stages.office import administer
from schema.vocabulary import CarrierState
from workers.terminal.layout import as_json, table
from workers.terminal.opened import opened
from workers.terminal.parameters import JsonObject

#: settings that are shown as dots, by a part of their name: headers too are mostly there to let us in
_SECRET = ("token", "pass", "pwd", "secret", "key", "auth", "headers")
_VEIL = "•••"
#: what a URL says of whom it lets in, and its query
_IN_URL = re.compile(r"(://)[^/@]*(?=@)|(?<=\?).*")


@click.group()
def carrier() -> None:
    """Carriers: add, list, drain, resume. A carrier gets messages once a route names it."""


@carrier.command()
@click.argument("name")
@click.option("--kind", default="http", show_default=True, help="Which file of pipeline/carriers speaks to it.")
@click.option(
    "--capabilities",
    type=JsonObject(),
    help='What it cannot do, as JSON: {"alphanumeric": false, "ucs2": false, "dlt": false}; what is not named it can.',
)
@click.option("--settings", type=JsonObject(), default="{}", help='JSON: {"base_url": "https://…", "token": "…"}.')
def add(name: str, kind: str, settings: dict[str, Any], capabilities: dict[str, Any] | None) -> None:
    """Add the carrier NAME, or write its new settings. Nothing is sent to it before `postroad route add`.

    Settings of the kind http: base_url (required), carrier, token, window, connect_timeout, deadline, call_deadline,
    ca_file, receipt_url (your gateway's /receipts/NAME), receipt_token. Those of the other kinds: docs/carriers.md.
    """
    with opened() as rt:
        administer.set_carrier(rt, name, kind, settings, capabilities)
    click.echo(f"carrier {name} saved; give it messages with: postroad route add '*' {name}")


@carrier.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(json_: bool) -> None:
    """List carriers; passwords and tokens are not shown."""
    with opened() as rt:
        rows = [replace(row, settings=_open_ones(row.settings)) for row in administer.list_carriers(rt)]
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        (
            row.name,
            row.kind,
            row.state,
            [word for word, can in row.capabilities.items() if not can],
            " ".join(f"{key}={value}" for key, value in row.settings.items()),
        )
        for row in rows
    ]
    click.echo(table(["carrier", "kind", "state", "cannot", "settings"], cells))


@carrier.command()
@click.argument("name")
def drain(name: str) -> None:
    """Give the carrier NAME nothing more; what waits for it goes to the next route, its receipts are still taken."""
    with opened() as rt:
        administer.set_carrier_state(rt, name, CarrierState.DRAINED)
    click.echo(f"carrier {name} is drained")


@carrier.command()
@click.argument("name")
def resume(name: str) -> None:
    """Give the carrier NAME messages again."""
    with opened() as rt:
        administer.set_carrier_state(rt, name, CarrierState.ACTIVE)
    click.echo(f"carrier {name} is active")


def _open_ones(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings without what is secret, however deep: by its name, in a header, or in a URL's query."""
    return {str(key): _VEIL if _is_secret(str(key)) else _veiled(value) for key, value in settings.items()}


def _veiled(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _open_ones(value)
    if isinstance(value, list):
        return [_veiled(each) for each in value]
    if isinstance(value, str) and "://" in value:
        return _IN_URL.sub(lambda found: (found[1] or "") + _VEIL, value)
    return value


def _is_secret(key: str) -> bool:
    return any(word in key.lower() for word in _SECRET)
