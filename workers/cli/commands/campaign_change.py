"""`postroad campaign change`: changes the definition of a campaign that was not started."""

from typing import Any

import click

from pipeline.stages.campaigns.create import change as change_campaign
from schema.message_class import MessageClass
from schema.vocabulary import CampaignState, DuplicatePolicy
from workers.cli.terminal.campaign_options import JSON, found_campaign, with_campaign
from workers.cli.terminal.opened import opened
from workers.cli.terminal.parameters import Country, Field, Moment
from workers.cli.terminal.table_layout import as_json


@click.command(short_help="Change its definition, until it is approved.")
@with_campaign
@click.option("--text", "body", help="Another text; its merge fields must be among those of the text before.")
@click.option("--template", help="The present text of one of the account's templates.")
@click.option(
    "--field", "fields", multiple=True, type=Field(), help="A merge field for all recipients. May be repeated."
)
@click.option("--from", "sender", help="The sender id.")
@click.option("--class", "class", type=click.Choice([each.value for each in MessageClass]), help="The message class.")
@click.option("--send-at", type=Moment(), help="Earliest time to send: ISO 8601 with a zone, or +5m, +2h, +1d.")
@click.option("--valid-until", type=Moment(), help="Latest time to send; same format.")
@click.option("--country", type=Country(), help="Country of numbers without a plus that are loaded from now on.")
@click.option("--duplicates", type=click.Choice([each.value for each in DuplicatePolicy]), help="Of repeated numbers.")
@click.option("--per-hour", type=click.IntRange(1), help="Most recipients per hour.")
@click.option("--segments-per-second", type=click.FloatRange(0, min_open=True), help="Most segments per second.")
@click.option("--spread-hours", type=click.FloatRange(0, min_open=True), help="Hours over which recipients are spread.")
@click.option("--local-hours", metavar="HH:MM-HH:MM", help="Times of their recipients' day between which it is sent.")
@click.option("--repeat", metavar="RRULE", help="When it is sent again, by a rule of RFC 5545.")
@click.option("--time-zone", metavar="ZONE", help="By whose clock it repeats.")
@click.option("--no-repeat", is_flag=True, help="Send it once.")
@click.option(
    "--canary", type=click.IntRange(1), help="Recipients, across countries and carriers, that are sent first."
)
@click.option("--canary-soak", type=click.IntRange(0), help="Seconds to wait after the canary.")
@click.option("--reserve/--no-reserve", default=None, help="Hold the money of the whole quote when it begins.")
@JSON
def change(
    name: str, account: str | None, fields: tuple[tuple[str, str], ...], no_repeat: bool, json_: bool, **given: Any
) -> None:
    """Change the definition of the campaign NAME, until it is started; what is not given stays.

    A quote and an approval are void then: check the campaign again. Its recipients stay as they were loaded, with the
    merge fields that its text had then. Exits with 1 if it is being checked or was started, with 2 if an option is
    invalid.
    """
    changes = {word: value for word, value in given.items() if value is not None}
    if no_repeat:
        changes |= {"repeat": None, "time_zone": None}
    with opened() as rt:
        found = found_campaign(rt, name, account)
        if fields:
            named = {field.casefold() for field, _ in fields}
            kept = {field: value for field, value in found.merge.items() if field.casefold() not in named}
            changes["merge"] = kept | dict(fields)
        if not changes:
            raise click.UsageError("give what to change: --text, --send-at, …")
        changed = change_campaign(rt, found.id, changes)
    if json_:
        click.echo(as_json({"campaign": changed.id, "state": changed.state}))
        return
    again = "; check it again" if changed.state is CampaignState.STALE else ""
    click.echo(f"campaign {changed.name} is changed and {changed.state}{again}")
