"""`postroad carrier dead`: dead letters from carriers, which could not be parsed or matched."""

from uuid import UUID

import click

from pipeline.stages import dead_letters
from schema.vocabulary import DeadLetterSource
from workers.cli.terminal.masking import masked_digits
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table

_SOURCE = click.option(
    "--smpp",
    "source",
    flag_value=DeadLetterSource.SMPP.value,
    default=DeadLetterSource.RECEIPT.value,
    help="PDUs received over SMPP; without it, posts over HTTP.",
)


@click.group()
def dead() -> None:
    """Dead letters from carriers: posts, entries of posts and PDUs; the latest are kept for some days."""


@dead.command("list")
@_SOURCE
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 2000), help="The most to list.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(source: str, limit: int, json_: bool) -> None:
    """List dead letters, the latest first: carrier, reason, size; without content."""
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
@click.option("--raw", is_flag=True, help="As received; without it digits that may be a phone number are dots.")
def show(letter: UUID, source: str, raw: bool) -> None:
    """Print the dead letter with the id LETTER."""
    with opened() as rt:
        found = dead_letters.shown(rt, DeadLetterSource(source), letter)
    if found is None:
        raise click.UsageError(f"there is no dead letter {letter}; see `postroad carrier dead list`")
    if found["payload"] is None:
        raise click.ClickException("its content was not kept, or needs another POSTROAD_SECRET_KEY")
    payload: bytes = found["payload"]
    click.echo(payload if raw else masked_digits(payload))


@dead.command()
@click.argument("letter", type=click.UUID, required=False)
@_SOURCE
@click.option("--all", "all_", is_flag=True, help="All of them.")
def drop(letter: UUID | None, source: str, all_: bool) -> None:
    """Delete the dead letter, or all; they stay counted."""
    if (letter is None) != all_:
        raise click.UsageError("give either a dead letter's id, or --all")
    with opened() as rt:
        gone = dead_letters.drop(rt, DeadLetterSource(source), letter)
    click.echo(f"{gone} removed")
