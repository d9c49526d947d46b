"""`postroad status`: the overview of the installation."""

import dataclasses
from datetime import timedelta

import click

from pipeline.stages.admin import operator_reports
from workers.broker.unread_queues import unread
from workers.cli.terminal.message_view import overview_of
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json
from workers.cli.terminal.warnings import warnings


@click.command()
@click.option(
    "--hours", default=24.0, show_default=True, type=click.FloatRange(0, 24 * 366), help="How far to look back."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def status(hours: float, json_: bool) -> None:
    """Show messages by status, attempts by carrier and outcome, waiting batches, money, dead letters and warnings.

    Messages and attempts are those of the last --hours; waiting batches and money are not limited in time.
    """
    with opened() as rt:
        found = operator_reports.overview_of(rt, rt.now() - timedelta(hours=hours))
        stray = unread(rt.settings.broker_url.get_secret_value())
    if json_:
        click.echo(as_json(dataclasses.asdict(found) | {"unread_lists": [dataclasses.asdict(each) for each in stray]}))
    else:
        click.echo("\n\n".join(part for part in (overview_of(found), warnings(found, stray)) if part))
