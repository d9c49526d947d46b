"""`postroad gateway`: the HTTP server of the Procfile."""

import click

from workers.gateway import serve
from workers.located import located


@click.command()
def gateway() -> None:
    """Serve HTTP until told to stop: carriers post their receipts to /receipts/NAME.

    Listens on POSTROAD_GATEWAY_HOST (127.0.0.1) and POSTROAD_GATEWAY_PORT (8080); GET /healthz says whether the
    database answers.
    """
    serve(located())
