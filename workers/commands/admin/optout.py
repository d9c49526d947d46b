"""`postroad optout`: who wants nothing, from whom."""

import csv
from typing import TextIO

import click

from pipeline.stages.office import permit
from schema.vocabulary import MessageClass
from workers.terminal.layout import as_json, table
from workers.terminal.masking import all_masked
from workers.terminal.opened import opened

_OWNER = click.option("--account", help="From this account only; else from every account.")
_SENDER = click.option("--sender", default="", help="From this sender only.")
_CLASS = click.option(
    "--class", "class_", type=click.Choice([each.value for each in MessageClass]), help="Of this kind."
)


@click.group()
def optout() -> None:
    """Opt-outs: numbers that want nothing. STOP and START from handsets write them too.

    They are looked at when an order is taken in, and again when its messages are about to go.
    """


@optout.command()
@click.argument("number")
@_OWNER
@_SENDER
@_CLASS
def add(number: str, account: str | None, sender: str, class_: str | None) -> None:
    """Send NUMBER nothing any more."""
    with opened() as rt:
        is_new = permit.opt_out(rt, account, number, sender, MessageClass(class_) if class_ else None)
    click.echo("opted out" if is_new else "that number was opted out already")


@optout.command()
@click.argument("number")
@_OWNER
@_SENDER
@_CLASS
def remove(number: str, account: str | None, sender: str, class_: str | None) -> None:
    """Take an opt-out of NUMBER back, with the same options as it was added with."""
    with opened() as rt:
        permit.opt_in(rt, account, number, sender, MessageClass(class_) if class_ else None)
    click.echo("the opt-out is gone")


@optout.command("list")
@click.option("--account", help="Those from this account only.")
@click.option("--number", help="Those of this number only.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@click.option("--reveal", is_flag=True, help="Show numbers whole.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, number: str | None, limit: int, reveal: bool, json_: bool) -> None:
    """List opt-outs, the latest first."""
    with opened() as rt:
        rows = permit.list_opt_outs(rt, account, number, limit)
    rows = rows if reveal else all_masked(rows)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        [
            row["phone"],
            *(row[word] or "every" for word in ("account", "sender", "class")),
            row["source"],
            row["created_at"],
        ]
        for row in rows
    ]
    click.echo(table(["number", "account", "sender", "class", "said by", "since"], cells))


@optout.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
@_OWNER
@_SENDER
def import_(file: TextIO, account: str | None, sender: str) -> None:
    """Read FILE: CSV, a number in the first column of each line; what is no number is counted and passed over."""
    numbers = [row[0] for row in csv.reader(file) if row and row[0].strip()]
    with opened() as rt:
        new, known, bad = permit.import_opt_outs(rt, account, numbers, sender)
    click.echo(f"{new:,} new, {known:,} known or twice in the file, {bad:,} no numbers")
