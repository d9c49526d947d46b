"""`postroad campaign create`, `load`: defines a campaign and loads its recipients from a file."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from pipeline.errors import AlreadyExists
from pipeline.runtime import Runtime
from pipeline.stages.admin.order_preview import template_text
from pipeline.stages.campaigns.create import create as create_campaign
from pipeline.stages.campaigns.respell import RespelledRows, respell_definition
from schema.campaign import Campaign, CampaignDefinition, GivenRow
from schema.order_reader import read_definition
from workers.campaign_file import table_rows
from workers.campaign_loading import LoadedFile, load_file
from workers.cli.commands.campaign_exclude import exclude_audiences, read_audiences, with_exclusions
from workers.cli.commands.campaign_quotes import check_and_show
from workers.cli.commands.send import check_sender
from workers.cli.terminal.campaign_options import (
    COLUMN,
    FILE,
    FORMAT,
    JSON,
    file_lines,
    found_campaign,
    require_one_text,
    with_campaign,
    with_content,
    with_limits,
)
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json, progress, visible
from workers.json_lines import json_rows

#: bytes of the file read at once
_BLOCK = 1 << 16

_RESPELL = click.option(
    "--respell",
    is_flag=True,
    help="Replace quotes, dashes, blanks and full-width letters by GSM-7's own, in the text and the merge fields.",
)
_EPILOG = """
\b
Example, people.csv:
  to,name,day
  +2348031234567,Ada,Monday
  +447400123456,Ben,Tuesday
postroad campaign create people.csv --name spring --text 'Hello ${name}, see you on ${day}.'
postroad campaign approve spring
"""


@click.command(epilog=_EPILOG, short_help="Create a campaign from a file, check and price it.")
@with_content
@click.option("--name", required=True, help="The campaign's name, unique on the account.")
@with_limits
@FORMAT
@with_exclusions
@_RESPELL
@click.option("--no-check", is_flag=True, help="Load the recipients only; `postroad campaign check` prices them.")
@JSON
def create(
    file: Path, column: str | None, format_: str | None, respell: bool, no_check: bool, json_: bool, **given: Any
) -> int:
    """Create a campaign, load its recipients from FILE, check them and print the quote; - reads stdin.

    FILE is CSV in UTF-8 as for `send`, or JSON lines: {"to": "+234…", "country"?: "NG", "correlation_id"?: "…",
    "merge"?: {"name": "Ada"}, "time_zone"?: "Africa/Lagos"}. A malformed line, or one with an invalid number, becomes a
    row that is not sent: `postroad campaign errors` lists them. Nothing is sent or charged before `start`.

    Exit codes: 0 quoted, all rows would be sent; 1 some would not, the money does not suffice, the check failed, or the
    name is taken; 2 the file or an option is invalid; 3 the database is unreachable.
    """
    require_one_text(given)
    definition = read_options(given)
    with opened() as rt, blocks(file) as content:
        audiences = read_audiences(rt, definition.account, given)
        text = definition.body or template_text(rt, definition.account, definition.template or "")
        if respell:
            definition = _respelled(definition, text)
        rows = file_rows(file, content, format_, text, definition.merge, column)
        try:
            made = create_campaign(rt, definition)
        except AlreadyExists as error:
            again = f"`postroad campaign load {definition.name} FILE` loads its recipients"
            raise AlreadyExists(f"{str(error).partition(':')[0]}: {again}; or take another name") from None
        done = load_rows(rt, made, rows, file, respell=respell)
        exclude_audiences(rt, made, audiences)
        return _finish(rt, made, done, json_, check=not no_check)


@click.command(short_help="Load recipients from a file, or go on with that.")
@with_campaign
@FILE
@COLUMN
@FORMAT
@_RESPELL
@JSON
def load(
    name: str,
    account: str | None,
    file: Path,
    column: str | None,
    format_: str | None,
    respell: bool,
    json_: bool,
) -> int:
    """Load the recipients of the campaign NAME from FILE, or go on where an interrupted load ended.

    What is loaded already is compared, and not loaded again; a file with other lines is refused, with the line that
    differs (give --respell again if it was loaded so). A quote is void once further rows are loaded: check the campaign
    again.

    Exit codes: 0 loaded; 1 some rows are malformed or their number is invalid, or the file differs; 2 the file or an
    option is invalid; 3 the database is unreachable.
    """
    with opened() as rt, blocks(file) as content:
        found = found_campaign(rt, name, account)
        rows = file_rows(file, content, format_, found.body, found.merge, column)
        return _finish(rt, found, load_rows(rt, found, rows, file, respell=respell), json_, check=False)


def read_options(given: Mapping[str, Any]) -> CampaignDefinition:
    """Return the definition that the options make; a usage error names every invalid one."""
    gates = {
        "failed": given["max_failed"],
        "undelivered": given["max_undelivered"],
        "opted_out": given["max_opted_out"],
        "min_sample": given["min_sample"],
    }
    wanted = {
        "account": given["account"],
        "name": given["name"],
        "sender": check_sender(given["account"], given["sender"]),
        "body": given["text"],
        "template": given["template"],
        "merge": dict(given["fields"]),
        "country": given["country"],
        "class": given["class_"],
        "test": given["test"],
        "gates": {name: value for name, value in gates.items() if value is not None},
    }
    speed = ("per_hour", "segments_per_second", "spread_hours", "local_hours", "repeat", "time_zone")
    as_they_are = (
        *("send_at", "valid_until", "duplicates", "not_within_hours", *speed),
        *("canary", "canary_soak", "reserve"),
    )
    wanted |= {name: given[name] for name in as_they_are}
    found = read_definition({name: value for name, value in wanted.items() if value is not None})
    if isinstance(found, CampaignDefinition):
        return found
    words = (f"{each.field}: {each.message}" if each.field else each.message for each in found[:20])
    raise click.UsageError("the campaign is invalid:\n" + "\n".join(f"  {each}" for each in words))


@contextmanager
def blocks(file: Path) -> Iterator[Iterator[bytes]]:
    """Yield the blocks of a file, or of stdin."""
    with click.open_file(str(file), "rb") as content:
        yield iter(lambda: content.read(_BLOCK), b"")


def file_rows(
    file: Path,
    content: Iterator[bytes],
    format_: str | None,
    text: str,
    shared: Any,
    column: str | None,
) -> Iterator[GivenRow]:
    """Return the rows of a file, read as they are needed; BrokenCsvFile if its header does not fit the text."""
    if format_ == "ndjson" or (format_ is None and file.suffix.lower() in (".ndjson", ".jsonl")):
        return json_rows(content)
    return table_rows(content, text, shared, column=column)


def load_rows(
    rt: Runtime, campaign: Campaign, rows: Iterator[GivenRow], file: Path, *, respell: bool = False
) -> LoadedFile:
    """Load rows with a progress bar; return what became of them."""
    spelt = RespelledRows(rows)
    with progress(file_lines(file), "loading ") as bar:
        done = load_file(rt, campaign.id, iter(spelt) if respell else rows, seen=bar.update)
    if spelt.changed:
        lines = ", ".join(map(str, spelt.lines))
        click.echo(f"fields of {spelt.changed:,} rows were respelled: lines {lines}; `preview` shows them", err=True)
    return done


def _respelled(definition: CampaignDefinition, text: str) -> CampaignDefinition:
    """Return the definition respelled; what changes is shown on stderr."""
    found = respell_definition(definition, text)
    if found.body not in (None, text):
        click.echo(f"text before: {visible(text)}\ntext after:  {visible(found.body or '')}", err=True)
    for name, value in definition.merge.items():
        if found.merge[name] != value:
            click.echo(
                f"field {name} before: {visible(value)}\nfield {name} after:  {visible(found.merge[name])}", err=True
            )
    return found


def _finish(rt: Runtime, campaign: Campaign, done: LoadedFile, json_: bool, *, check: bool) -> int:
    """Report what was loaded, then check; return the exit code."""
    for line, words in done.faults:
        click.echo(f"line {line}: {words}", err=True)
    if done.faulty > len(done.faults):
        more = f"… and {done.faulty - len(done.faults):,} more rows that cannot be sent"
        click.echo(f"{more}: `postroad campaign errors {campaign.name}` lists them", err=True)
    if check:
        return check_and_show(rt, campaign, json_=json_)
    if json_:
        click.echo(as_json({"campaign": campaign.id, "rows": done.rows, "new": done.new, "faulty": done.faulty}))
    else:
        known = f", {done.rows - done.new:,} were loaded before" if done.new < done.rows else ""
        click.echo(f"campaign {campaign.name}: {done.new:,} rows loaded{known}; {done.faulty:,} of them cannot be sent")
    return 1 if done.faulty else 0
