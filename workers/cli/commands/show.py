"""`postroad show`: one message's story, or a request's answer."""

from uuid import UUID

import click

from pipeline.stages.admin import overview
from workers.cli.terminal.message_view import message_lines
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json


@click.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def show(id_: UUID, json_: bool) -> int:
    """Tell the whole story of the message, or the answer to the request, with this ID.

    A message: its moves with their times, its attempts at carriers (those that came late too), its money, its
    receipts, the batches it travelled in. A request: what was accepted and what was refused, and why. Number and
    text are shown whole; of a code that was sent only its text's length. Exits with 1 when there is none of that ID;
    a request is unknown until a worker has read it.
    """
    with opened() as rt:
        found = overview.tell(rt, id_)
    if found is None:
        click.echo(f"no message and no request has the id {id_}", err=True)
        return 1
    click.echo(as_json(found) if json_ else message_lines(found))
    return 0
