"""`postroad console`: runs the console, a process of the Procfile."""

import click

from workers import logs
from workers.console.console_process import serve
from workers.server_urls import with_local_servers


@click.command()
def console() -> None:
    """Serve the web console until told to stop.

    Listens on POSTROAD_CONSOLE_HOST (127.0.0.1) and POSTROAD_CONSOLE_PORT (8081). Users are made by `postroad user
    create`.
    """
    logs.set_up("console")
    serve(with_local_servers())
