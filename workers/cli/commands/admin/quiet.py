"""`postroad quiet`: quiet hours, in which recipients get no messages."""

import click

from pipeline.stages.admin import compliance
from schema.message_class import MessageClass
from schema.vocabulary import QuietAction
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table

_OWNER = click.option("--account", help="For this account only; its own rule precedes the common one.")
_CLASS = click.argument("class_", metavar="CLASS", type=click.Choice([each.value for each in MessageClass]))


@click.group()
def quiet() -> None:
    """Quiet hours in the recipient's local time; for a number in several possible zones, of any of them.

    A message waits until they end, or is rejected. One-time passwords are exempt unless a rule names otp.
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
    """Set quiet hours of COUNTRY (or *) for messages of CLASS from BEGINS until ENDS: NG bulk 20:00 08:00.

    Equal times mean no quiet hours, as an exception to a common rule.
    """
    with opened() as rt:
        compliance.set_quiet(rt, account, country, MessageClass(class_), begins, ends, QuietAction(action))
    click.echo(f"{country} has quiet hours for {class_} from {begins} until {ends}")


@quiet.command()
@click.argument("country")
@_CLASS
@_OWNER
def remove(country: str, class_: str, account: str | None) -> None:
    """Remove the rule of COUNTRY and CLASS."""
    with opened() as rt:
        compliance.drop_quiet(rt, account, country, MessageClass(class_))
    click.echo(f"{country} has no quiet hours for {class_} any more")


@quiet.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(json_: bool) -> None:
    """List quiet hours, the common ones first."""
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
