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
from schema.vocabulary import DuplicatePolicy
from workers.cli.terminal.parameters import Country, Field, Moment

T = TypeVar("T")
Decorator = Callable[[Callable[..., T]], Callable[..., T]]

FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
COLUMN = click.option(
    "--number-column", "column", help="The column of the numbers, if not to, phone, number or msisdn."
)
JSON = click.option("--json", "json_", is_flag=True, help="Print JSON.")
FORMAT = click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "ndjson"]),
    help="The file's format; ndjson where its name ends in .ndjson or .jsonl, else csv.",
)

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

#: how fast it is sent, to whom first, and when it pauses
_LIMITS: tuple[Decorator[Any], ...] = (
    click.option(
        "--duplicates",
        type=click.Choice([each.value for each in DuplicatePolicy]),
        default=DuplicatePolicy.DROP.value,
        show_default=True,
        help="Rows whose number an earlier row has: leave them out, send them too, or let the check fail.",
    ),
    click.option(
        "--not-within",
        "not_within_hours",
        type=click.IntRange(1, 720),
        metavar="HOURS",
        help="Leave out those whom the account sent a message to within these hours before.",
    ),
    click.option("--per-hour", type=click.IntRange(1), help="Most recipients per hour."),
    click.option("--segments-per-second", type=click.FloatRange(0, min_open=True), help="Most segments per second."),
    click.option(
        "--spread-hours", type=click.FloatRange(0, min_open=True), help="Hours over which recipients are spread."
    ),
    click.option(
        "--local-hours", metavar="HH:MM-HH:MM", help="Times of their recipients' day between which it is sent."
    ),
    click.option("--repeat", metavar="RRULE", help="Send it again by this rule of RFC 5545: FREQ=WEEKLY;COUNT=10"),
    click.option("--time-zone", metavar="ZONE", help="By whose clock it repeats: Europe/Paris"),
    click.option(
        "--canary", type=click.IntRange(1), help="Recipients, across countries and carriers, that are sent first."
    ),
    click.option("--canary-soak", type=click.IntRange(0), help="Seconds to wait after the canary; 300 if not given."),
    click.option(
        "--max-failed", type=click.FloatRange(0, 1, min_open=True), help="Pause above this share of failures."
    ),
    click.option("--max-undelivered", type=click.FloatRange(0, 1, min_open=True), help="The same of undelivered ones."),
    click.option("--max-opted-out", type=click.FloatRange(0, 1, min_open=True), help="The same of opt-outs."),
    click.option("--reserve", is_flag=True, help="Hold the money of the whole quote when it begins."),
    click.option("--min-sample", type=click.IntRange(1), help="Messages before a share counts; 50 if not given."),
)


def with_content(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the file and the options that say what is sent to whom."""
    return _with(_CONTENT, command)


def with_limits(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the options that say how fast a campaign is sent, its canary and its gates."""
    return _with(_LIMITS, command)


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


def _with(options: tuple[Decorator[Any], ...], command: Callable[..., T]) -> Callable[..., T]:
    for option in reversed(options):
        command = option(command)
    return command


def _is_id(name: str) -> bool:
    try:
        return bool(UUID(name))
    except ValueError:
        return False
