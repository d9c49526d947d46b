"""`postroad carrier`: configures carriers and shows their status."""

from dataclasses import asdict, replace
from datetime import timedelta
from typing import Any

import click

from pipeline.stages.admin.carrier_status import carrier_statuses
from pipeline.stages.admin.carriers import adjust_carrier, list_carriers, set_carrier, set_carrier_state
from pipeline.stages.admin.carriers import receipt_authentication_of as receipt_proof
from schema.carriage import ReceiptAuthentication
from schema.vocabulary import CarrierState
from workers.cli.commands.admin.dead import dead
from workers.cli.terminal import carrier_view
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import JsonFile, JsonObject, Pace
from workers.cli.terminal.secrets import ask_for, masked_settings, secrets_in
from workers.cli.terminal.table_layout import as_json, table

#: authentication of receipts, as a list shows it
_RECEIPTS = {
    ReceiptAuthentication.ENFORCED: "authenticated",
    ReceiptAuthentication.WAIVED: "OPEN: not authenticated",
    ReceiptAuthentication.UNCONFIGURED: "refused: no secret",
}

_CAPABILITIES = click.option(
    "--capabilities",
    type=JsonObject(),
    help='What it does not support, as JSON: {"alphanumeric": false, "ucs2": false}; the rest it does. "dlt": true: it'
    " accepts messages to India though its settings have no DLT ids.",
)
_PACE = click.option(
    "--segments-per-second",
    "pace",
    type=Pace(),
    help="Its rate limit for all our processes together; none: no limit.",
)


@click.group()
def carrier() -> None:
    """Carriers: add, set, list, status, drain, resume, dead. A carrier gets messages once a route names it."""


carrier.add_command(dead)


@carrier.command()
@click.argument("name")
@click.option(
    "--kind", default="http", show_default=True, help="Its kind: http, smpp, generic or a vendor; see docs/carriers.md."
)
@_CAPABILITIES
@_PACE
@click.option(
    "--settings", type=JsonObject(), help='JSON: {"base_url": "https://…", "token": "?"}; a ? is prompted for.'
)
@click.option("--settings-file", type=JsonFile(), help="A file with the JSON; - reads stdin.")
@click.option("--open-receipts", is_flag=True, help="Accept its receipts without authentication.")
def add(
    name: str,
    kind: str,
    settings: dict[str, Any] | None,
    settings_file: dict[str, Any] | None,
    capabilities: dict[str, Any] | None,
    pace: float | None,
    open_receipts: bool,
) -> None:
    """Add the carrier NAME, or replace its settings. It gets no messages before `postroad route add`.

    Settings of the kind http: base_url (required), carrier, token, window, connect_timeout, deadline, call_deadline,
    ca_file, receipt_url (your gateway's /receipts/NAME), receipt_token (required: it authenticates receipts).
    For the other kinds see docs/carriers.md.

    Command lines can be read in the list of processes: give secrets in a file, on stdin, or write ? in their place and
    type them at the prompt.
    """
    if settings is not None and settings_file is not None:
        raise click.UsageError("give --settings or --settings-file, not both")
    given = ask_for(settings or settings_file or {})
    if shown := secrets_in(settings or {}):
        click.echo(
            f"warning: {', '.join(shown)} can be read in the list of processes and in your shell's history:"
            " replace it at the carrier, and give it by --settings-file, or as ?",
            err=True,
        )
    with opened() as rt:
        if secrets_in(given) and rt.vault_or_none is None:
            click.echo("warning: without POSTROAD_SECRET_KEY the carrier's secrets are not encrypted", err=True)
        warnings = set_carrier(rt, name, kind, given, capabilities, pace, open_receipts)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"carrier {name} saved; route messages to it with: postroad route add '*' {name}")


@carrier.command("set")
@click.argument("name")
@_CAPABILITIES
@_PACE
def set_(name: str, capabilities: dict[str, Any] | None, pace: float | None) -> None:
    """Set the capabilities and the rate of the carrier NAME; its settings stay."""
    if capabilities is None and pace is None:
        raise click.UsageError("give --capabilities, --segments-per-second, or both")
    with opened() as rt:
        adjust_carrier(rt, name, capabilities, pace)
    click.echo(f"carrier {name} saved")


@carrier.command()
@click.argument("name", required=False)
@click.option(
    "--minutes", default=15.0, show_default=True, type=click.FloatRange(0, 24 * 60), help="How far to look back."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def status(name: str | None, minutes: float, json_: bool) -> None:
    """Show the status of the carrier NAME, or of all: state, breaker, waiting messages, outcomes, receipts.

    Attempts are those of the last --minutes for messages that were accepted in that time too, or are being sent;
    unknown outcomes are all. The breaker is shared by all workers; a carrier with an open breaker is chosen last.
    """
    with opened() as rt:
        found = carrier_statuses(rt, timedelta(minutes=minutes), name)
    if json_:
        click.echo(as_json(found))
    else:
        click.echo(carrier_view.full_status(found[0], minutes) if name else carrier_view.carrier_lines(found))


@carrier.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(json_: bool) -> None:
    """List carriers, with passwords and tokens masked. Receipts that are OPEN could be forged."""
    with opened() as rt:
        found = list_carriers(rt)
    authentications = [receipt_proof(row) for row in found]
    rows = [replace(row, settings=masked_settings(row.settings)) for row in found]
    if json_:
        shown = zip(rows, authentications, strict=True)
        click.echo(as_json([asdict(row) | {"receipts": way} for row, way in shown]))
        return
    cells = [
        (
            row.name,
            row.kind,
            row.state,
            sorted(row.lacks),
            way and _RECEIPTS[way],
            " ".join(f"{key}={value}" for key, value in row.settings.items()),
        )
        for row, way in zip(rows, authentications, strict=True)
    ]
    click.echo(table(["carrier", "kind", "state", "cannot", "receipts", "settings"], cells))


@carrier.command()
@click.argument("name")
@click.option("--reason", help="The reason, shown by `carrier status`.")
def drain(name: str, reason: str | None) -> None:
    """Send no more messages to the carrier NAME; waiting ones go to the next route, its receipts are still accepted.

    Messages without another active carrier are held: they do not fail, use no retry round, and go on when a carrier is
    resumed or set, or a route added, or expire by their own validity. `postroad status` counts them. New orders that no
    other carrier serves are accepted and held too; after `postroad route drop` they are refused.
    """
    with opened() as rt:
        set_carrier_state(rt, name, CarrierState.DRAINED, reason)
    click.echo(f"carrier {name} is drained")


@carrier.command()
@click.argument("name")
def resume(name: str) -> None:
    """Send messages to the carrier NAME again, and close its breaker.

    Messages that were held for lack of a carrier go on within seconds.
    """
    with opened() as rt:
        set_carrier_state(rt, name, CarrierState.ACTIVE)
    click.echo(f"carrier {name} is active")
