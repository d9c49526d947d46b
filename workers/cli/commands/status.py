"""`postroad status`: the overview of the installation, and what of it needs a person."""

import dataclasses
from datetime import timedelta

import click

from pipeline.stages.admin import attention, operator_reports
from pipeline.stages.carrier_placement import all_placements
from workers.broker.broker_view import view_broker
from workers.broker.unread_queues import unread
from workers.cli.terminal.attention_lines import attention_lines, process_lines
from workers.cli.terminal.message_view import overview_of
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json
from workers.cli.terminal.warnings import warnings


@click.command()
@click.option(
    "--hours", default=24.0, show_default=True, type=click.FloatRange(0, 24 * 366), help="How far to look back."
)
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def status(hours: float, json_: bool) -> int:
    """Show messages by status, attempts by carrier and outcome, waiting batches, money, processes and warnings.

    Messages and attempts are those of the last --hours; waiting batches and money are not limited in time. The workers
    of all hosts are asked, for a second.

    Exit codes: 0 nothing needs a person; 1 something does, and is printed with what to do: the broker does not answer,
    the clock does not tick, a worker is gone, due messages wait for long, no carrier may be given messages, a carrier's
    balance is low, a campaign stopped by itself, there are dead letters or orders that no worker reads.
    """
    with opened() as rt:
        found = operator_reports.overview_of(rt, rt.now() - timedelta(hours=hours))
        url = rt.settings.broker_url.get_secret_value()
        stray = unread(url)
        needed = attention.read_attention(rt, view_broker(url, all_placements(rt)))
    if json_:
        lists = {"unread_lists": [dataclasses.asdict(each) for each in stray]}
        broker = {"workers": needed.state.broker.workers, "queues": needed.state.broker.depths}
        more = {"drained": needed.state.drained, "needs_person": needed.items}
        click.echo(as_json(dataclasses.asdict(found) | lists | broker | more))
    else:
        parts = (overview_of(found), process_lines(needed.state), warnings(found, stray), attention_lines(needed))
        click.echo("\n\n".join(part for part in parts if part))
    return 1 if needed.items else 0
