"""`postroad metrics`: serves the installation's metrics, a process of the Procfile."""

import click

from workers import logs
from workers.metrics.exporter import serve
from workers.server_urls import with_local_servers


@click.command()
def metrics() -> None:
    """Serve metrics for Prometheus until told to stop, at POSTROAD_METRICS_HOST and POSTROAD_METRICS_PORT (9464).

    It answers also while the database or the broker do not, and says so.
    """
    logs.set_up("metrics")
    serve(with_local_servers())
