"""`postroad campaign`: campaigns from their definition to their results."""

import click

from workers.cli.commands import campaign_control
from workers.cli.commands.campaign_change import change
from workers.cli.commands.campaign_create import create, load
from workers.cli.commands.campaign_exclude import exclude
from workers.cli.commands.campaign_quotes import approve, check, preview, quote
from workers.cli.commands.campaign_send import send
from workers.cli.commands.campaign_views import errors, list_, status


@click.group()
def campaign() -> None:
    """Send a text to every number in a file: create a campaign, see its price, approve it; or send it at once."""


for _command in (
    *(create, change, load, exclude, check, quote, preview, approve),
    *campaign_control.COMMANDS,
    *(list_, status, errors, send),
):
    campaign.add_command(_command)
