"""`postroad gateway`: the HTTP server of the Procfile."""

import click

from workers import logs
from workers.gateway.gateway_server import serve
from workers.server_urls import with_local_servers


@click.command()
@click.option("--shares", is_flag=True, hidden=True, help="Be one more process on the port of another.")
def gateway(shares: bool) -> None:
    """Serve HTTP until told to stop: each vendor's API under its name.

    Carriers post their receipts to /receipts/NAME. Listens on POSTROAD_GATEWAY_HOST (127.0.0.1) and
    POSTROAD_GATEWAY_PORT (8080); GET /healthz says whether the database answers.
    """
    logs.set_up("gateway")
    serve(with_local_servers(), shares=shares)
