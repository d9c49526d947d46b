"""`postroad health`: whether a process of this host does its work. It imports little: it is called every 30 s."""

import os

import click

from workers.processes import health_checks


@click.command()
@click.argument("name", type=click.Choice(sorted({*health_checks.HTTP, *health_checks.HEARTBEATS})))
@click.argument("carrier", required=False)
@click.option("--within", type=click.FloatRange(0, min_open=True), metavar="SECONDS", help="How old a sign may be.")
def health(name: str, carrier: str | None, within: float | None) -> int:
    """Tell whether a process of this host, by its name in the Procfile, does its work.

    `postroad health carriers NAME` is about the worker of one carrier. Processes on the same host with the same
    POSTROAD_HOME count together.

    \b
    worker, lane, clock   it reads its queues, and its pool runs tasks
    carriers              it reads the carriers' rows, and each carrier's worker works as those above
    beat                  it publishes the periodic tasks
    notifier              it claims due webhook calls
    gateway, console      it answers GET /readyz
    flower                it answers GET /healthcheck

    A sign is old after 45 seconds, an answer is late after 5; a pool must have run something within 180.
    Exit codes: 0 it does; 1 it does not, for the reason printed; 2 wrong usage.
    """
    if carrier and name != "carriers":
        raise click.UsageError("only `carriers` has processes with names of their own")
    found = health_checks.fault(f"{name}/{carrier}" if carrier else name, os.environ, within)
    click.echo(found or "fine")
    return 1 if found else 0
