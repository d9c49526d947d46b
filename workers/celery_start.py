"""Starts a Celery worker or beat of ours without Celery's own command line.

Celery's loads all of its commands and Flower, which takes a sixth of the CPU of a start, and 12 MB in every process.
"""

import importlib

import click
from celery.bin.base import CLIContext
from celery.bin.beat import beat
from celery.bin.worker import worker

from workers.gc_freeze import paused


# the variables that set options of Celery's own command line
@click.group(context_settings={"auto_envvar_prefix": "CELERY"})
@click.pass_context
def celery(ctx: click.Context) -> None:
    """Start a Celery worker or beat, as `celery -q -A workers.app` does, in less time and memory.

    Flower and Celery's other commands need `celery -A workers.app`.
    """
    with paused():
        app = importlib.import_module("workers.app").app  # which reads the settings, unlike --help
        app.loader.import_default_modules()
    ctx.obj = CLIContext(app=app, no_color=False, workdir=None, quiet=True)


celery.add_command(worker)
celery.add_command(beat)
