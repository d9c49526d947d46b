"""`postroad network`: imports and lists the number prefixes of mobile networks."""

from collections import Counter
from typing import BinaryIO

import click

from pipeline.stages.admin.networks import list_networks, set_networks
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, table
from workers.csv_reader import CsvReader, LineFault, find_column, fold

#: bytes of a file read at once
_BLOCK = 1 << 16
_COLUMNS = {"prefix", "network"}


@click.group()
def network() -> None:
    """Networks: number prefixes by MCC-MNC (621-20), so that routes can name a network.

    Number portability is not considered: a ported number counts for its first network.
    """


@network.command("import")
@click.argument("file", type=click.File("rb"))
def import_(file: BinaryIO) -> None:
    """Replace all prefixes by those in FILE: CSV with the columns `prefix` and `network`, such as 234803,621-30.

    Workers use them within a minute.
    """
    reader = CsvReader(iter(lambda: file.read(_BLOCK), b""))
    header = reader.read_header(lambda cells: set(map(fold, cells)) >= _COLUMNS)
    if header is None:
        raise click.UsageError("the first line must name the columns prefix and network")
    prefix, network = (find_column(header, name) or 0 for name in ("prefix", "network"))
    plan: dict[str, str] = {}
    for record in reader.records():
        if isinstance(record, LineFault):
            raise click.UsageError(f"line {record.line}: {record.message}")
        if max(prefix, network) >= len(record.cells):
            raise click.UsageError(f"line {record.line}: a cell is missing: a prefix and a network are required")
        plan[record.cells[prefix].strip()] = record.cells[network].strip()
    with opened() as rt:
        set_networks(rt, plan)
    click.echo(f"{len(plan):,} prefixes of {len(set(plan.values())):,} networks")


@network.command("list")
@click.option("--json", "json_", is_flag=True, help="Print JSON: every prefix with its network.")
def list_(json_: bool) -> None:
    """List networks with their numbers of prefixes."""
    with opened() as rt:
        plan = list_networks(rt)
    if json_:
        click.echo(as_json(plan))
        return
    click.echo(table(["network", "prefixes"], sorted(Counter(plan.values()).items())))
