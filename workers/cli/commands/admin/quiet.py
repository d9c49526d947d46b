"""`postroad quiet`: the hours in which recipients are left alone."""

import click

from pipeline.stages.admin import compliance
from schema.message_class import MessageClass
from schema.vocabulary import QuietAction
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table

_OWNER = click.option("--account", help="For this account only; its own line goes before the one for every account.")
_CLASS = click.argument("class_", metavar="CLASS", type=click.Choice([each.value for each in MessageClass]))


@click.group()
def quiet() -> None:
    """Quiet hours, by the clock where the recipient is. Where a number may be in several zones, in any of them.

    A message waits until they are over, or is rejected. Codes are left out unless a line names otp.
    """


@quiet.command()
@click.argument("country")
@_CLASS
@click.argument("begins")
@click.argument("ends")
@click.option(
    "--action",
    type=click.Choice([each.value for each in QuietAction]),
    default=QuietAction.DEFER.value,
    show_default=True,
    help="defer: it waits; reject: it is rejected.",
)
@_OWNER
def add(country: str, class_: str, begins: str, ends: str, action: str, account: str | None) -> None:
    """Leave COUNTRY (or *) alone with messages of CLASS from BEGINS until ENDS: NG bulk 20:00 08:00.

    Both the same: never, where a line for every account would say otherwise.
    """
    with opened() as rt:
        compliance.set_quiet(rt, account, country, MessageClass(class_), begins, ends, QuietAction(action))
    click.echo(f"{country} is left alone with {class_} from {begins} until {ends}")


@quiet.command()
@click.argument("country")
@_CLASS
@_OWNER
def remove(country: str, class_: str, account: str | None) -> None:
    """Take the line of COUNTRY and CLASS away."""
    with opened() as rt:
        compliance.drop_quiet(rt, account, country, MessageClass(class_))
    click.echo(f"{country} has no quiet hours for {class_} any more")


@quiet.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(json_: bool) -> None:
    """List quiet hours, those for every account first."""
    with opened() as rt:
        rows = compliance.list_quiet(rt)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        [
            row["account"] or "every",
            row["country"],
            row["class"],
            _clock(row["from_minute"]),
            _clock(row["until_minute"]),
            row["action"],
        ]
        for row in rows
    ]
    click.echo(table(["account", "country", "class", "from", "until", "action"], cells))


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
