"""`postroad carriers`: the process of the Procfile that keeps a process for each carrier, and those processes."""

import os
import sys

import click

from workers import logs
from workers.carrier_workers import processes
from workers.server_urls import with_local_servers


@click.command()
@click.argument("name", required=False)
def carriers(name: str | None) -> None:
    """Keep a process for each carrier with a far end, until told to stop; with a NAME, be that carrier's process.

    A carrier that is added gets its process within a second or two, one that died gets another. On several machines run
    `postroad carriers NAME` where each should be: an SMPP carrier allows so many binds, and each process of its opens
    as many as its settings say.
    """
    if name:
        os.execv(sys.executable, processes.command(name))
    else:
        logs.set_up("carriers")
        processes.serve(with_local_servers())
