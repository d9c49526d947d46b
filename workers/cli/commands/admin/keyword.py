"""`postroad keyword`: keywords of MO messages, with their actions and replies."""

import click

from pipeline.stages.admin import compliance
from schema.vocabulary import InboundAction
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table

_OWNER = click.option("--account", help="For this account only; its own keywords precede the common ones.")


@click.group()
def keyword() -> None:
    """Keywords: STOP, START, HELP and synonyms are built in; an account's own keywords and all replies are set here.

    Case, accents, punctuation and blanks are ignored. The reply of STOP, START or HELP applies to all keywords with the
    same action and no reply of their own.
    """


@keyword.command()
@click.argument("word")
@click.argument("action", type=click.Choice([each.value for each in InboundAction]))
@click.option("--reply", help="The reply; none without it.")
@_OWNER
def add(word: str, action: str, reply: str | None, account: str | None) -> None:
    """Set the action of WORD: stop, start, help, or keep (none)."""
    with opened() as rt:
        spelt = compliance.set_keyword(rt, account, word, InboundAction(action), reply)
    click.echo(f"{spelt} has the action {action} and {'a' if reply else 'no'} reply of its own")


@keyword.command()
@click.argument("word")
@_OWNER
def remove(word: str, account: str | None) -> None:
    """Remove WORD; a built-in keyword gets its default again."""
    with opened() as rt:
        compliance.drop_keyword(rt, account, word)
    click.echo(f"{word} is removed")


@keyword.command("list")
@click.option("--account", help="Only those that apply to this account.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, json_: bool) -> None:
    """List keywords, the common ones first."""
    with opened() as rt:
        rows = compliance.list_keywords(rt, account)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [(row["account"] or "every", row["word"], row["action"], row["reply"]) for row in rows]
    click.echo(table(["account", "keyword", "action", "reply"], cells))
