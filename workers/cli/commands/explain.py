"""`postroad explain`: why a message went by the carriers it went by, or where one would go now."""

import click

from pipeline.stages.admin import explain_route as stage
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Country
from workers.cli.terminal.route_view import data, explained, foreseen
from workers.cli.terminal.table_layout import as_json


@click.command()
@click.argument("id_", metavar="[ID]", required=False)
@click.option("--to", metavar="NUMBER", help="Whom a message would go to, as +COUNTRY NUMBER. Nothing is sent.")
@click.option("--from", "sender", help=f"The sender id it would show; {SENDER} on account {ACCOUNT}.")
@click.option("--account", default=ACCOUNT, show_default=True, envvar="POSTROAD_ACCOUNT", help="Who would pay.")
@click.option("--country", type=Country(), help="Where a number without its plus is dialled, such as NG.")
@click.option("--text", default="", help="Its text: not every carrier takes every character.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def explain(
    id_: str | None, to: str | None, sender: str | None, account: str, country: str | None, text: str, json_: bool
) -> int:
    """Tell why the message with this ID (or a beginning of it) went by the carriers it went by.

    Each choice is made again from what it hung on then: the routes in force, their carriers' states and capabilities,
    open breakers. Every route that speaks of the number is listed with why it lost, and what became of each attempt.

    \b
    postroad explain 019307f2
    postroad explain --to +2348031234567 --from ACME --account acme

    The second tells where a message would go now; nothing is sent. Exits with 1 when there is no such message, or
    nobody to carry it.
    """
    if (id_ is None) == (to is None):
        raise click.UsageError("say either a message's ID, or --to")
    return _foresee(to, sender, account, text, country, json_) if to else _explain(id_ or "", json_)


def _explain(word: str, json_: bool) -> int:
    with opened() as rt:
        ids = stage.find(rt, word)
        found = stage.explain(rt, ids[0]) if len(ids) == 1 else None
    if found is None:
        reported = "no message has an id that begins so" if not ids else "several do:\n" + "\n".join(map(str, ids))
        click.echo(f"{word}: {reported}", err=True)
        return 1
    click.echo(as_json(data(found)) if json_ else explained(found))
    return 0


def _foresee(to: str, sender: str | None, account: str, text: str, country: str | None, json_: bool) -> int:
    if sender is None and account != ACCOUNT:
        raise click.UsageError(f"say --from: the sender id it would show on the account {account!r}")
    with opened() as rt:
        found = stage.foresee(rt, account, to, sender or SENDER, text, country)
    click.echo(as_json(data(found)) if json_ else foreseen(found))
    return 0 if found.decision.carrier else 1
