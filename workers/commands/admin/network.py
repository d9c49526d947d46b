"""`postroad network`: whose numbers begin with which digits."""

import csv
from collections import Counter
from typing import TextIO

import click

from pipeline.stages.office import administer
from workers.terminal.layout import as_json, table
from workers.terminal.opened import opened


@click.group()
def network() -> None:
    """Networks: whose numbers begin with which digits, so that routes can name a network as MCC-MNC (621-20).

    A number that its owner took along to another network is still counted as its first one's.
    """


@network.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8-sig"))
def import_(file: TextIO) -> None:
    """Read FILE, in place of what was known: CSV with the columns `prefix` and `network`, such as 234803,621-30.

    Workers go by it within a minute.
    """
    rows = csv.DictReader(file)
    if not {"prefix", "network"} <= set(rows.fieldnames or ()):
        raise click.UsageError("the first line must name the columns prefix and network")
    plan = {(row["prefix"] or "").strip(): (row["network"] or "").strip() for row in rows}
    with opened() as rt:
        administer.set_networks(rt, plan)
    click.echo(f"{len(plan):,} prefixes of {len(set(plan.values())):,} networks")


@network.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON: every prefix with its network.")
def list_(json_: bool) -> None:
    """List networks with how many prefixes each has."""
    with opened() as rt:
        plan = administer.list_networks(rt)
    if json_:
        click.echo(as_json(plan))
        return
    click.echo(table(["network", "prefixes"], sorted(Counter(plan.values()).items())))
