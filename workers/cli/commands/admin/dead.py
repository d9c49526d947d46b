"""`postroad carrier dead`: what carriers sent that could not be read, or not be understood."""

import re
from uuid import UUID

import click

from pipeline.stages import dead_letters
from schema.vocabulary import DeadLetterSource
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table

#: digits that may be somebody's number: all but the first four of them
_NUMBER = re.compile(rb"(?<=[0-9]{4})[0-9]")
_SOURCE = click.option(
    "--smpp",
    "source",
    flag_value=DeadLetterSource.SMPP.value,
    default=DeadLetterSource.RECEIPT.value,
    help="What came over SMPP; without it, what was posted over HTTP.",
)


@click.group()
def dead() -> None:
    """Posts, entries of posts and PDUs that were set aside: the latest of them, for some days."""


@dead.command("list")
@_SOURCE
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 2000), help="At most so many.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(source: str, limit: int, json_: bool) -> None:
    """List what was set aside, the latest first: which carrier's, why, how large; never what it says."""
    with opened() as rt:
        found = dead_letters.listed(rt, DeadLetterSource(source), limit)
    if json_:
        click.echo(as_json(found))
        return
    headers = ["id", "carrier", "reason", "bytes", "at"]
    click.echo(
        table(headers, [[row[key] for key in ("id", "origin", "reason", "size", "received_at")] for row in found])
    )


@dead.command()
@click.argument("letter", type=click.UUID)
@_SOURCE
@click.option("--raw", is_flag=True, help="As it came; without it digits that may be a number are dots.")
def show(letter: UUID, source: str, raw: bool) -> None:
    """Print what was set aside under the id LETTER."""
    with opened() as rt:
        found = dead_letters.shown(rt, DeadLetterSource(source), letter)
    if found is None:
        raise click.UsageError(f"there is no such letter: `postroad carrier dead list` shows them, {letter} is none")
    if found["payload"] is None:
        raise click.ClickException("its content was not kept: there is no POSTROAD_SECRET_KEY, or another than then")
    payload: bytes = found["payload"]
    click.echo(payload if raw else _NUMBER.sub(b".", payload))


@dead.command()
@click.argument("letter", type=click.UUID, required=False)
@_SOURCE
@click.option("--all", "all_", is_flag=True, help="All of them.")
def drop(letter: UUID | None, source: str, all_: bool) -> None:
    """Remove the letter, or all of them; they stay counted."""
    if (letter is None) != all_:
        raise click.UsageError("say either a letter's id, or --all")
    with opened() as rt:
        gone = dead_letters.drop(rt, DeadLetterSource(source), letter)
    click.echo(f"{gone} removed")
