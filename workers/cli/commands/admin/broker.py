"""`postroad broker`: dead letters of the message broker."""

from functools import partial
from typing import Any
from uuid import UUID

import click

from pipeline.errors import PostroadError
from pipeline.stages import dead_letters
from schema.vocabulary import DeadLetterSource
from workers.broker.requeue import put_again
from workers.cli.terminal.masking import masked_message
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, pairs, table

_BROKER = DeadLetterSource.BROKER


@click.group()
def broker() -> None:
    """The message broker: its dead letters."""


@broker.group()
def dead() -> None:
    """Dead letters: messages that are not valid tasks, kept apart so that the next ones are processed."""


@dead.command("list")
@click.option("--limit", type=click.IntRange(1, 2000), default=100, show_default=True)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(limit: int, json_: bool) -> None:
    """List dead letters with their reasons, the latest first.

    The latest 2,000 are kept, for POSTROAD_DEAD_LETTER_DAYS; `postroad status` shows the total count.
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
@click.option("--reveal", is_flag=True, help="Show numbers and texts unmasked.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def show(letter: UUID, reveal: bool, json_: bool) -> None:
    """Show a dead letter: its structure, and with --reveal its content."""
    with opened() as rt:
        found = dead_letters.shown(rt, _BROKER, letter)
    if found is None:
        raise PostroadError(f"no dead letter {letter}; see `postroad broker dead list`")
    payload = found.pop("payload")
    content = _content(payload, reveal)
    if json_:
        click.echo(as_json(found | {"content": content}))
        return
    shown = ("id", "origin", "reason", "size", "received_at")
    click.echo(pairs(dict(zip(("letter", "queue", "why", "bytes", "received"), map(found.get, shown), strict=True))))
    click.echo(f"\n{content or 'Its content was not kept: there was no POSTROAD_SECRET_KEY to encrypt it.'}")


@dead.command()
@click.argument("letter", type=click.UUID)
def requeue(letter: UUID) -> None:
    """Put a dead letter's message into its queue again, after what made it unreadable was repaired.

    It becomes a dead letter anew if it still cannot be read. Only Redis and Valkey take it as it was received.
    """
    with opened() as rt:
        queue = dead_letters.requeue(rt, letter, partial(put_again, rt.settings.broker_url.get_secret_value()))
    click.echo(f"it is in the queue {queue} again")


@dead.command()
@click.argument("letter", type=click.UUID, required=False)
@click.option("--all", "all_", is_flag=True, help="All of them.")
def drop(letter: UUID | None, all_: bool) -> None:
    """Delete a dead letter, or --all. The counts in `postroad status` stay."""
    if (letter is None) != all_:
        raise click.UsageError("give either a dead letter's id, or --all")
    with opened() as rt:
        gone = dead_letters.drop(rt, _BROKER, letter)
    if letter and not gone:
        raise PostroadError(f"no dead letter {letter}; see `postroad broker dead list`")
    click.echo(f"{gone:,} removed")


def _content(payload: Any, reveal: bool) -> str | None:
    """Return the kept content of a message as text."""
    return None if payload is None else masked_message(bytes(payload), reveal=reveal)
