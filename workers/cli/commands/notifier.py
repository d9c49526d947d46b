"""`postroad notifier`: the process of the Procfile that calls customers' webhooks."""

import click

from workers import logs
from workers.server_urls import with_local_servers
from workers.webhooks.notifier import serve


@click.command()
def notifier() -> None:
    """Call customers' webhooks until told to stop: what became of their messages, signed, again where it fails.

    Public addresses only, unless POSTROAD_WEBHOOK_NETWORKS (["10.0.0.0/8"]) names others. Several may run.
    """
    logs.set_up("notifier")
    serve(with_local_servers())
