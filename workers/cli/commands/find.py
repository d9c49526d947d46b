"""`postroad find`: messages by number or correlation id."""

from datetime import datetime

import click

from pipeline.stages.admin.find_messages import FoundMessages, find_messages
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Country, Since
from workers.cli.terminal.table_layout import as_json, moment, table

_COLUMNS = {
    "at": "accepted",
    "account": "account",
    "phone": "number",
    "status": "status",
    "error_code": "error",
    "carrier": "carrier",
    "campaign": "campaign",
    "correlation_id": "correlation id",
    "id": "id",
}


@click.command()
@click.option("--to", metavar="NUMBER", help="A number: E.164, or a national one with --country.")
@click.option("--country", type=Country(), help="Country of a number without a plus.")
@click.option("--correlation-id", metavar="ID", help="The sender's own id of the message.")
@click.option("--account", envvar="POSTROAD_ACCOUNT", help="Only of this account.")
@click.option("--since", type=Since(), help="Only messages accepted since then: ISO 8601, or 30s, 5m, 2h, 1d ago.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.option("--reveal", is_flag=True, help="Show numbers unmasked.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def find(
    to: str | None,
    country: str | None,
    correlation_id: str | None,
    account: str | None,
    since: datetime | None,
    limit: int,
    reveal: bool,
    json_: bool,
) -> int:
    """Find messages by --to, --correlation-id or both, the latest first; `postroad show ID` has all of one.

    Messages are indexed every two seconds, by the process `clock`. Exits with 1 when none is found.
    """
    if not (to or correlation_id):
        raise click.UsageError("give --to NUMBER or --correlation-id ID")
    with opened() as rt:
        found = find_messages(
            rt,
            to=to,
            country=country,
            correlation_id=correlation_id,
            account=account,
            since=since,
            limit=limit,
            is_masked=not reveal,
        )
    rows = found.messages
    if json_:
        shown = {"messages": rows, "is_more": found.is_more}
        click.echo(as_json(shown | {"complete_from": found.complete_from, "complete_until": found.complete_until}))
    elif rows:
        click.echo(table(list(_COLUMNS.values()), [[row[word] for word in _COLUMNS] for row in rows]))
    if not json_:
        click.echo(_coverage(found, limit), err=True)
    return 0 if rows else 1


def _coverage(found: FoundMessages, limit: int) -> str:
    """Return which messages may be missing."""
    if found.complete_until is None:
        return "no message is indexed yet: `postroad up`, or the process `clock` with POSTROAD_SECRET_KEY, does that"
    words = [] if found.messages else ["no such message"]
    if found.is_more:
        words.append(f"there are earlier ones: give --since, or a --limit above {limit}")
    if found.complete_from:
        words.append(f"messages of before {moment(found.complete_from)} are still being indexed")
    return "; ".join([*words, f"complete until {moment(found.complete_until)}"])
