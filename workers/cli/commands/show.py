"""`postroad show`: a message's history, or a request's result."""

from uuid import UUID

import click

from pipeline.stages.admin import operator_reports
from workers.cli.terminal.message_view import message_lines
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json


@click.command()
@click.argument("id_", metavar="ID", type=click.UUID)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def show(id_: UUID, json_: bool) -> int:
    """Show the history of the message, or the result of the request, with this ID.

    A message: its events with their times, its attempts at carriers (late responses too), its money, its receipts, its
    batches. A request: what was accepted and what was refused, and why. Number and text are shown in full, the text of
    a sent one-time password only by its length. Exits with 1 when the ID is unknown, as a request's is until a worker
    has read it.
    """
    with opened() as rt:
        found = operator_reports.report_of(rt, id_)
    if found is None:
        click.echo(f"no message or request has the id {id_}", err=True)
        return 1
    click.echo(as_json(found) if json_ else message_lines(found))
    return 0
