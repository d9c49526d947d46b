"""`postroad campaign exclude`: leaves audiences out of a campaign."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar
from uuid import UUID

import click

from pipeline.errors import InvalidInput
from pipeline.runtime import Runtime
from pipeline.stages.campaigns.create import change
from pipeline.stages.campaigns.exclude import MOST_NUMBERS, exclude_numbers, exclude_reached, exclude_recipients
from pipeline.stages.campaigns.find import find
from schema.campaign import Campaign
from workers.cli.terminal.campaign_options import JSON, found_campaign, with_campaign
from workers.cli.terminal.opened import opened
from workers.cli.terminal.table_layout import as_json
from workers.number_file import read_numbers

T = TypeVar("T")

#: bytes of a file read at once
_BLOCK = 1 << 16

_OPTIONS: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--exclude",
        "excluded",
        type=click.File("rb"),
        multiple=True,
        help="Leave out the numbers in this CSV file. May be repeated.",
    ),
    click.option(
        "--exclude-campaign",
        "excluded_campaigns",
        multiple=True,
        metavar="NAME",
        help="Leave out those who got a message of this campaign. May be repeated.",
    ),
    click.option(
        "--only-not-reached", "not_reached", metavar="NAME", help="Only those whom this campaign had and did not reach."
    ),
)


def with_exclusions(command: Callable[..., T]) -> Callable[..., T]:
    """Give a command the options that name audiences to be left out."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True, slots=True)
class Audiences:
    """Whom a campaign is to leave out."""

    numbers: list[str]
    campaigns: list[UUID]
    #: all but those that this campaign did not reach; None: nobody for that reason
    not_reached: UUID | None


@click.command(short_help="Leave audiences out of it.")
@with_campaign
@with_exclusions
@click.option(
    "--not-within",
    "hours",
    type=click.IntRange(0, 720),
    metavar="HOURS",
    help="Leave out those whom the account sent a message to within these hours before, as of each check; 0: nobody.",
)
@JSON
def exclude(name: str, account: str | None, hours: int | None, json_: bool, **given: Any) -> None:
    """Leave audiences out of the campaign NAME, before it is approved; then check it again.

    The rows get the verdict `excluded` and keep it. Rows that are loaded later are not left out: repeat it then. Those
    of --not-within are found anew at each check, also among rows that are loaded later.
    """
    with opened() as rt:
        found = found_campaign(rt, name, account)
        rows = exclude_audiences(rt, found, read_audiences(rt, found.account, given))
        if hours is not None:
            change(rt, found.id, {"not_within_hours": hours or None})
    if json_:
        click.echo(as_json({"excluded": rows}))
        return
    later = f"; its next check leaves out who got a message within {hours} hours" if hours else ""
    click.echo(f"campaign {found.name}: {rows:,} rows are left out{later}")


def read_audiences(rt: Runtime, account: str, given: Mapping[str, Any]) -> Audiences:
    """Return the audiences that the options name; NotFound: no such campaign; InvalidInput: a file's line is broken."""
    numbers = [number for file in given["excluded"] for number in _numbers(file)]
    others = [find(rt, account, each).id for each in given["excluded_campaigns"]]
    not_reached = given["not_reached"]
    return Audiences(numbers, others, find(rt, account, not_reached).id if not_reached else None)


def exclude_audiences(rt: Runtime, campaign: Campaign, audiences: Audiences) -> int:
    """Leave audiences out of a campaign; return of how many rows. Numbers that are none are counted on stderr."""
    rows = invalid = 0
    for start in range(0, len(audiences.numbers), MOST_NUMBERS):
        left_out, unread = exclude_numbers(rt, campaign.id, audiences.numbers[start : start + MOST_NUMBERS])
        rows, invalid = rows + left_out, invalid + unread
    if invalid:
        click.echo(f"{invalid:,} numbers to be left out are no phone numbers", err=True)
    for other in audiences.campaigns:
        rows += exclude_recipients(rt, campaign.id, other)
    if audiences.not_reached:
        rows += exclude_reached(rt, campaign.id, audiences.not_reached)
    return rows


def _numbers(file: BinaryIO) -> list[str]:
    found, faults = read_numbers(iter(lambda: file.read(_BLOCK), b""))
    if faults:
        raise InvalidInput(f"{file.name}: line {faults[0].line}: {faults[0].message}")
    return [number for _, number in found]
