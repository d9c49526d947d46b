"""`postroad status`: how everything stands."""

from datetime import timedelta

import click

from pipeline.stages.office import report
from workers.terminal.layout import as_json
from workers.terminal.opened import opened
from workers.terminal.stories import survey


@click.command()
@click.option(
    "--hours", default=24.0, show_default=True, type=click.FloatRange(0, 24 * 366), help="How far to look back."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def status(hours: float, json_: bool) -> None:
    """Show how everything stands: messages by status, carriers by outcome, what waits, money.

    Messages and attempts are counted of the last --hours; what waits and money, of all time.
    """
    with opened() as rt:
        found = report.survey(rt, rt.now() - timedelta(hours=hours))
    click.echo(as_json(found) if json_ else survey(found))
