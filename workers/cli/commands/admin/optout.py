"""`postroad optout`: adds, removes, lists and imports opt-outs."""

from typing import BinaryIO

import click

from pipeline.stages.admin import compliance
from schema.message_class import MessageClass
from workers.cli.terminal.masking import all_masked
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Country
from workers.cli.terminal.table_layout import as_json, table
from workers.csv_reader import LineFault
from workers.number_file import read_numbers

#: bytes of a file read at once, and the most errors listed
_BLOCK, _REPORTED = 1 << 16, 20

_OWNER = click.option("--account", help="For this account only; else for every account.")
_SENDER = click.option("--sender", default="", help="For this sender only.")
_CLASS = click.option(
    "--class", "class_", type=click.Choice([each.value for each in MessageClass]), help="For this message class only."
)
_COUNTRY = click.option("--country", type=Country(), help="Country of numbers without a plus, such as NG.")


@click.group()
def optout() -> None:
    """Opt-outs: numbers that must not get messages. STOP and START from handsets add and remove them too.

    They are checked when an order is accepted, and again just before its messages are sent.
    """


@optout.command()
@click.argument("number")
@_OWNER
@_SENDER
@_CLASS
@_COUNTRY
def add(number: str, account: str | None, sender: str, class_: str | None, country: str | None) -> None:
    """Add an opt-out of NUMBER."""
    with opened() as rt:
        is_new = compliance.opt_out(rt, account, number, sender, MessageClass(class_) if class_ else None, country)
    click.echo("opted out" if is_new else "already opted out")


@optout.command()
@click.argument("number")
@_OWNER
@_SENDER
@_CLASS
@_COUNTRY
def remove(number: str, account: str | None, sender: str, class_: str | None, country: str | None) -> None:
    """Remove an opt-out of NUMBER, with the options that it was added with."""
    with opened() as rt:
        compliance.opt_in(rt, account, number, sender, MessageClass(class_) if class_ else None, country)
    click.echo("opt-out removed")


@optout.command("list")
@click.option("--account", help="Only of this account.")
@click.option("--number", help="Only of this number.")
@_COUNTRY
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True)
@click.option("--reveal", is_flag=True, help="Show numbers unmasked.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, number: str | None, country: str | None, limit: int, reveal: bool, json_: bool) -> None:
    """List opt-outs, the latest first."""
    with opened() as rt:
        rows = compliance.list_opt_outs(rt, account, number, limit, country)
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
    click.echo(table(["number", "account", "sender", "class", "source", "since"], cells))


@optout.command("import")
@click.argument("file", type=click.File("rb"))
@_OWNER
@_SENDER
@_COUNTRY
def import_(file: BinaryIO, account: str | None, sender: str, country: str | None) -> int:
    """Import FILE: CSV in UTF-8, numbers in the column to, phone, number or msisdn, else in the first.

    Lines without a valid number are listed and skipped; exits with 1 if there are any.
    """
    found, faults = read_numbers(iter(lambda: file.read(_BLOCK), b""))
    with opened() as rt:
        new, known, unread = compliance.import_opt_outs(rt, account, [number for _, number in found], sender, country)
    lines = [line for line, _ in found]
    faults += [LineFault(lines[place], words) for place, words in unread.items()]
    for fault in sorted(faults, key=lambda each: each.line)[:_REPORTED]:
        click.echo(f"line {fault.line}: {fault.message}", err=True)
    if len(faults) > _REPORTED:
        click.echo(f"… and {len(faults) - _REPORTED:,} more lines without a valid number", err=True)
    click.echo(f"{new:,} new, {known:,} known or duplicates, {len(faults):,} invalid")
    return 1 if faults else 0
