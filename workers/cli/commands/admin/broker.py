"""`postroad broker`: what came from the broker and could not be read."""

from typing import Any
from uuid import UUID

import click

from pipeline.errors import PostroadError
from pipeline.stages import dead_letters
from schema.vocabulary import DeadLetterSource
from workers.cli.terminal.masking import masked_message
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, pairs, table

_BROKER = DeadLetterSource.BROKER


@click.group()
def broker() -> None:
    """The message broker: what came from it and could not be read."""


@broker.group()
def dead() -> None:
    """Dead letters: messages that are no task of ours, set aside so that those behind them are carried."""


@dead.command("list")
@click.option("--limit", type=click.IntRange(1, 2000), default=100, show_default=True)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(limit: int, json_: bool) -> None:
    """List what was set aside and why, the latest first.

    The latest 2,000 are kept, for POSTROAD_DEAD_LETTER_DAYS; `postroad status` tells how many there ever were.
    """
    with opened() as rt:
        rows = dead_letters.listed(rt, _BROKER, limit)
    if json_:
        click.echo(as_json(rows))
        return
    words = ("received_at", "id", "origin", "reason", "size")
    click.echo(table(["received", "letter", "queue", "why", "bytes"], [[row[word] for word in words] for row in rows]))


@dead.command()
@click.argument("letter", type=click.UUID)
@click.option("--reveal", is_flag=True, help="Show numbers and texts whole.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def show(letter: UUID, reveal: bool, json_: bool) -> None:
    """Show a message that was set aside: how it is built, and with --reveal what it says."""
    with opened() as rt:
        found = dead_letters.shown(rt, _BROKER, letter)
    if found is None:
        raise PostroadError(f"there is no dead letter {letter}; postroad broker dead list")
    payload = found.pop("payload")
    content = _content(payload, reveal)
    if json_:
        click.echo(as_json(found | {"content": content}))
        return
    shown = ("id", "origin", "reason", "size", "received_at")
    click.echo(pairs(dict(zip(("letter", "queue", "why", "bytes", "received"), map(found.get, shown), strict=True))))
    click.echo(f"\n{content or 'Nothing of it is kept: there was no POSTROAD_SECRET_KEY to seal it with.'}")


@dead.command()
@click.argument("letter", type=click.UUID, required=False)
@click.option("--all", "all_", is_flag=True, help="Every one of them.")
def drop(letter: UUID | None, all_: bool) -> None:
    """Remove a message that was set aside, or --all. The counts in `postroad status` stay."""
    if (letter is None) != all_:
        raise click.UsageError("give the id of a letter, or --all")
    with opened() as rt:
        gone = dead_letters.drop(rt, _BROKER, letter)
    if letter and not gone:
        raise PostroadError(f"there is no dead letter {letter}; postroad broker dead list")
    click.echo(f"{gone:,} removed")


def _content(payload: Any, reveal: bool) -> str | None:
    """Return what is kept of a message as text."""
    return None if payload is None else masked_message(bytes(payload), reveal=reveal)
