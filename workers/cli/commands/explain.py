"""`postroad explain`: explains the routing choices of a message, or of a message that would be sent now."""

import click

from pipeline.stages.admin import explain_route as stage
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Country
from workers.cli.terminal.route_view import data, explained, foreseen
from workers.cli.terminal.table_layout import as_json


@click.command()
@click.argument("id_", metavar="[ID]", required=False)
@click.option(
    "--to", metavar="NUMBER", help="The recipient of a hypothetical message, as +COUNTRY NUMBER. Nothing is sent."
)
@click.option("--from", "sender", help=f"Its sender id; {SENDER} on account {ACCOUNT}.")
@click.option(
    "--account",
    default=ACCOUNT,
    show_default=True,
    envvar="POSTROAD_ACCOUNT",
    help="The account that would be charged.",
)
@click.option("--country", type=Country(), help="Country of a number without a plus, such as NG.")
@click.option("--text", default="", help="Its text: not every carrier supports every character.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def explain(
    id_: str | None, to: str | None, sender: str | None, account: str, country: str | None, text: str, json_: bool
) -> int:
    """Explain the routing of the message with this ID (or a prefix of it).

    Each choice is repeated from its inputs at the time: the routes in force, their carriers' states and capabilities,
    open breakers. Every route that matches the number is listed with why it lost, and the outcome of each attempt.

    \b
    postroad explain 019307f2
    postroad explain --to +2348031234567 --from ACME --account acme

    The second shows where a message would be routed now; nothing is sent. Exits with 1 when there is no such message,
    or no carrier for it.
    """
    if (id_ is None) == (to is None):
        raise click.UsageError("give either a message's ID, or --to")
    return _foresee(to, sender, account, text, country, json_) if to else _explain(id_ or "", json_)


def _explain(word: str, json_: bool) -> int:
    with opened() as rt:
        ids = stage.find(rt, word)
        found = stage.explain(rt, ids[0]) if len(ids) == 1 else None
    if found is None:
        problem = "no message id begins like this" if not ids else "several ids do:\n" + "\n".join(map(str, ids))
        click.echo(f"{word}: {problem}", err=True)
        return 1
    click.echo(as_json(data(found)) if json_ else explained(found))
    return 0


def _foresee(to: str, sender: str | None, account: str, text: str, country: str | None, json_: bool) -> int:
    if sender is None and account != ACCOUNT:
        raise click.UsageError(f"give --from: a sender id of the account {account!r}")
    with opened() as rt:
        found = stage.foresee(rt, account, to, sender or SENDER, text, country)
    click.echo(as_json(data(found)) if json_ else foreseen(found))
    return 0 if found.decision.carrier else 1
