"""`postroad keyword`: words that handsets send, and what is done about them."""

import click

from pipeline.stages.admin import compliance
from schema.vocabulary import InboundAction
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table

_OWNER = click.option("--account", help="For this account only; its own words go before those for every account.")


@click.group()
def keyword() -> None:
    """Keywords: STOP, START, HELP and their like are known; an account's own words and all replies are set here.

    Case, accents, punctuation and blanks do not count. The reply of STOP, START or HELP stands for all words that do
    the same and have none of their own.
    """


@keyword.command()
@click.argument("word")
@click.argument("action", type=click.Choice([each.value for each in InboundAction]))
@click.option("--reply", help="What is answered; without it nothing is.")
@_OWNER
def add(word: str, action: str, reply: str | None, account: str | None) -> None:
    """Let WORD do ACTION, or change what it does: stop, start, help, or keep (nothing)."""
    with opened() as rt:
        spelt = compliance.set_keyword(rt, account, word, InboundAction(action), reply)
    click.echo(f"{spelt} means {action} and {'is answered' if reply else 'has no answer of its own'}")


@keyword.command()
@click.argument("word")
@_OWNER
def remove(word: str, account: str | None) -> None:
    """Take WORD away; a built-in one does again what it did."""
    with opened() as rt:
        compliance.drop_keyword(rt, account, word)
    click.echo(f"{word} is gone")


@keyword.command("list")
@click.option("--account", help="What counts for this account only.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List registered words, those for every account first."""
    with opened() as rt:
        rows = compliance.list_keywords(rt, account)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [(row["account"] or "every", row["word"], row["action"], row["reply"]) for row in rows]
    click.echo(table(["account", "word", "does", "is answered"], cells))
