"""`postroad carriers`: the Procfile's process that runs one carrier worker per connected carrier, and those workers."""

import os
import sys

import click

from workers import logs
from workers.carrier_workers import carrier_processes
from workers.server_urls import with_local_servers


@click.command()
@click.argument("name", required=False)
def carriers(name: str | None) -> None:
    """Run a worker process for each connected carrier, until told to stop; with NAME, run that carrier's worker itself.

    A new carrier gets its process within a second or two, and a dead one is restarted. On several machines run
    `postroad carriers NAME` where each should be: an SMPP carrier limits its binds, and each of its processes opens as
    many as its settings say.
    """
    if name:
        os.execv(sys.executable, carrier_processes.command(name))
    else:
        logs.set_up("carriers")
        carrier_processes.serve(with_local_servers())
