"""`postroad notifier`: runs the notifier, the Procfile's process that calls customers' webhooks."""

import click

from workers import logs
from workers.server_urls import with_local_servers
from workers.webhooks.notifier import serve


@click.command()
def notifier() -> None:
    """Call customers' webhooks until told to stop: signed message events, with retries.

    Public addresses only, unless POSTROAD_WEBHOOK_NETWORKS (["10.0.0.0/8"]) names others. E-mails operators about
    campaigns too, if POSTROAD_ALERT_EMAIL_TO and POSTROAD_SMTP_URL are set. Several may run.
    """
    logs.set_up("notifier")
    serve(with_local_servers())
