"""`postroad carrier`: whom messages are given to."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from pipeline.stages.office import administer
from schema.vocabulary import CarrierState
from workers.terminal.layout import as_json, table
from workers.terminal.opened import opened
from workers.terminal.parameters import JsonObject

#: settings that are shown as dots
_SECRET = ("token", "password", "secret", "key")


@click.group()
def carrier() -> None:
    """Carriers: add, list, pause, resume. A carrier gets messages once a route names it."""


@carrier.command()
@click.argument("name")
@click.option("--kind", default="http", show_default=True, help="Which file of pipeline/carriers speaks to it.")
@click.option("--settings", type=JsonObject(), default="{}", help='JSON: {"base_url": "https://…", "token": "…"}.')
def add(name: str, kind: str, settings: dict[str, Any]) -> None:
    """Add the carrier NAME, or write its new settings. Nothing is sent to it before `postroad route add`.

    Settings of the kind http: base_url (required), carrier, token, window, connect_timeout, deadline, call_deadline,
    ca_file, receipt_url (your gateway's /receipts/NAME), receipt_token.
    """
    with opened() as rt:
        administer.set_carrier(rt, name, kind, settings)
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
        (row.name, row.kind, row.state, " ".join(f"{key}={value}" for key, value in row.settings.items()))
        for row in rows
    ]
    click.echo(table(["carrier", "kind", "state", "settings"], cells))


@carrier.command()
@click.argument("name")
def pause(name: str) -> None:
    """Give the carrier NAME nothing more; what waits for it goes to the next route."""
    with opened() as rt:
        administer.set_carrier_state(rt, name, CarrierState.DRAINED)
    click.echo(f"carrier {name} is paused")


@carrier.command()
@click.argument("name")
def resume(name: str) -> None:
    """Give the carrier NAME messages again."""
    with opened() as rt:
        administer.set_carrier_state(rt, name, CarrierState.ACTIVE)
    click.echo(f"carrier {name} is active")


def _open_ones(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: "•••" if any(word in key for word in _SECRET) else value for key, value in settings.items()}
