"""`postroad cancel`: cancels scheduled messages."""

from collections.abc import Iterator, Sequence
from uuid import UUID

import click

from pipeline.runtime import Runtime
from pipeline.stages.admin import operator_reports
from pipeline.stages.cancel import Cancelled
from pipeline.stages.cancel import cancel as cancel_messages
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json


@click.command()
@click.argument("ids", metavar="ID…", type=click.UUID, nargs=-1, required=True)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def cancel(ids: tuple[UUID, ...], json_: bool) -> int:
    """Cancel scheduled messages and release their money; an ID is a message's, or a request's for all its messages.

    Exits with 1 when any was too late or unknown: a message is cancelled whole or sent whole.
    """
    with opened() as rt:
        done = cancel_messages(rt, None, list(_messages(rt, ids)))
    click.echo(as_json(done) if json_ else _words(done))
    return 1 if done.too_late or done.unknown else 0


def _messages(rt: Runtime, ids: Sequence[UUID]) -> Iterator[UUID]:
    for id_ in ids:
        found = operator_reports.report_of(rt, id_)
        if isinstance(found, operator_reports.RequestResult):
            yield from (each["id"] for each in found.messages)
        else:
            yield id_


def _words(done: Cancelled) -> str:
    groups = (("cancelled", done.cancelled), ("too late", done.too_late), ("unknown", done.unknown))
    lines = [f"{word:<9}  {id_}" for word, those in groups for id_ in sorted(those)]
    lines = lines if len(lines) <= 20 else []
    return "\n".join(
        [*lines, ", ".join(f"{len(those):,} {word}" for word, those in groups if those) or "nothing to do"]
    )
