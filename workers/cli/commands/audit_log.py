"""`postroad audit-log`: lists changes of configuration and control."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import click

from pipeline.stages.admin.audit_log import list_changes
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Since
from workers.cli.terminal.table_layout import as_json, table


@click.command("audit-log")
@click.option(
    "--since", type=Since(), default="30d", show_default=True, help="A date-time, or a duration before now: 2h, 7d."
)
@click.option("--account", help="Only changes of this account's configuration.")
@click.option("--table", "table_", help="Only changes in this table, such as carriers or prices.")
@click.option("--by", help="Only changes by this user, or by the API key of this id; also where claimed with --as.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@click.option("--before", type=click.IntRange(1), help="Only entries with an id below this one: the next page.")
@click.option("--json", "json_", is_flag=True, help="Print JSON.")
def audit_log(since: datetime, table_: str | None, by: str | None, json_: bool, **sought: Any) -> None:
    """List changes of configuration and control, the latest first: who, from where, what, before and after.

    An entry is written in the transaction of its change, whoever makes it: a command, an API call, the product itself,
    or somebody with access to the database. Entries cannot be changed; they are kept for POSTROAD_AUDIT_LOG_DAYS.
    """
    with opened() as rt:
        rows = list_changes(rt, since, table=table_, actor=by, **sought)
    if json_:
        click.echo(as_json(rows))
        return
    cells = [
        [
            row["id"],
            row["at"],
            _actor(row),
            row["origin"],
            row["action"],
            f"{row['subject_table']} {row['subject']}",
            row["account"],
            _change(row["before"], row["after"]),
        ]
        for row in rows
    ]
    click.echo(table(["id", "at", "by", "from", "action", "what", "account", "change"], cells))


def _actor(row: Mapping[str, Any]) -> str:
    name = f"key {row['actor']}" if row["actor_kind"] == "api_key" else row["actor"]
    return f"{name} (as {row['claimed']})" if row["claimed"] else str(name)


def _change(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Return the changed columns: `state active → drained`, or the values of a new or deleted row."""
    if before is not None and after is not None:
        return ", ".join(f"{name} {_value(before.get(name))} → {_value(after.get(name))}" for name in after)
    word, values = ("new", after) if before is None else ("deleted", before)
    shown = (f"{name} {_value(value)}" for name, value in (values or {}).items() if value not in (None, "", [], {}))
    return f"{word}: " + ", ".join(shown)


def _value(value: object) -> str:
    return "–" if value is None else str(value)
