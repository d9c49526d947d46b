"""`postroad gateway`: runs the HTTP gateway, a process of the Procfile."""

import click

from workers import logs
from workers.gateway.gateway_process import serve
from workers.server_urls import with_local_servers


@click.command()
@click.option("--number", default=1, hidden=True, help="Its number among the processes on the same port.")
def gateway(number: int) -> None:
    """Serve HTTP until told to stop: each vendor's API under its name.

    Carriers post their receipts to /receipts/NAME. Listens on POSTROAD_GATEWAY_HOST (127.0.0.1) and
    POSTROAD_GATEWAY_PORT (8080); GET /livez returns 200 while the process answers, GET /readyz while the database does.
    Each of its processes serves metrics, at the ports after POSTROAD_METRICS_PORT.
    """
    logs.set_up("gateway")
    serve(with_local_servers(), number)
