"""Options that the commands of campaigns share: what is sent to whom, and which campaign is meant."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click

from pipeline.runtime import Runtime
from pipeline.stages.admin.sandbox import ACCOUNT, SENDER
from pipeline.stages.campaigns.find import find
from schema.campaign import Campaign
from schema.message_class import MessageClass
from workers.cli.terminal.parameters import Country, Field, Moment

T = TypeVar("T")
Decorator = Callable[[Callable[..., T]], Callable[..., T]]

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
COLUMN = click.option(
    "--number-column", "column", help="The column of the numbers, if not to, phone, number or msisdn."
)
JSON = click.option("--json", "json_", is_flag=True, help="Print JSON.")

#: what is sent to whom
_CONTENT: tuple[Decorator[Any], ...] = (
    FILE,
    click.option("--text", help="The text; ${name} is filled from the column `name`, else from --field."),
    click.option("--template", help="One of the account's templates instead of --text."),
    click.option(
        "--field", "fields", multiple=True, type=Field(), help="A merge field for all recipients. May be repeated."
    ),
    click.option("--from", "sender", help=f"The sender id; {SENDER} on account {ACCOUNT}."),
    click.option(
        "--account", default=ACCOUNT, show_default=True, envvar="POSTROAD_ACCOUNT", help="The account that is charged."
    ),
    click.option(
        "--class",
        "class_",
        type=click.Choice([each.value for each in MessageClass]),
        default=MessageClass.BULK.value,
        show_default=True,
        help="The message class.",
    ),
    click.option("--send-at", type=Moment(), help="Earliest time to send: ISO 8601 with a zone, or +5m, +2h, +1d."),
    click.option("--valid-until", type=Moment(), help="Latest time to send; same format."),
    COLUMN,
    click.option("--country", type=Country(), help="Country of numbers without a plus, such as NG."),
    click.option("--test", is_flag=True, help="Send to the simulated carrier, free of charge."),
)


def with_content(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the file and the options that say what is sent to whom."""
    for option in reversed(_CONTENT):
        command = option(command)
    return command


def require_one_text(given: Mapping[str, Any]) -> None:
    """Raise a usage error unless exactly one of --text and --template is given."""
    if (given["text"] is None) == (given["template"] is None):
        raise click.UsageError("give exactly one of --text and --template")


def with_campaign(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the argument NAME, a campaign's name or id, and --account."""
    command = click.option(
        "--account", envvar="POSTROAD_ACCOUNT", help=f"The campaign's account; {ACCOUNT}, or that of the id."
    )(command)
    return click.argument("name")(command)


def found_campaign(rt: Runtime, name: str, account: str | None) -> Campaign:
    """Return the campaign that a command names, by its name within the account, or by its id; NotFound."""
    if account is None and _is_id(name):
        return find(rt, None, name)
    return find(rt, account or ACCOUNT, name)


def file_lines(file: Path) -> int:
    """Return a file's number of lines, for the progress bar only."""
    if str(file) == "-":
        return 0
    with file.open("rb") as content:
        return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 20), b""))


def _is_id(name: str) -> bool:
    try:
        return bool(UUID(name))
    except ValueError:
        return False
