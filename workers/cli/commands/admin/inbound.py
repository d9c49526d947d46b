"""`postroad inbound`: lists mobile-originated (MO) messages."""

from datetime import datetime

import click

from pipeline.stages.admin import compliance
from workers.cli.terminal.masking import all_masked
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Since
from workers.cli.terminal.table_layout import as_json, table


@click.group()
def inbound() -> None:
    """Mobile-originated (MO) messages: what handsets sent, and the actions taken."""


@inbound.command("list")
@click.option("--account", help="Only of this account.")
@click.option(
    "--since", type=Since(), default="7d", show_default=True, help="A date-time, or a duration before now: 2h, 7d."
)
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--reveal", is_flag=True, help="Show numbers and texts unmasked.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def list_(account: str | None, since: datetime, limit: int, reveal: bool, json_: bool) -> None:
    """List MO messages, the latest first; long ones are joined.

    Of the actions, stop, start and help were carried out; keep means: for the account to read.
    """
    with opened() as rt:
        rows = compliance.list_inbound(rt, account, since, limit)
    rows = rows if reveal else all_masked(rows)
    if json_:
        click.echo(as_json(rows))
        return
    words = ("received_at", "phone", "sender", "account", "action", "body")
    headers = ["received", "from", "to", "account", "done", "text" if reveal else "text (--reveal)"]
    click.echo(table(headers, [[row[word] or None for word in words] for row in rows]))
