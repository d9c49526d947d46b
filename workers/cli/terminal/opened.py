"""Opens a runtime for one command, whose user is named in the audit log as the actor of what it changes."""

import os
import pwd
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import click

from pipeline.runtime import Runtime, Work, acting
from pipeline.settings import Settings
from schema.actor import Actor
from schema.vocabulary import ActorKind
from workers.server_urls import with_local_servers


@contextmanager
def opened(settings: Settings | None = None) -> Iterator[Runtime]:
    """Yield a runtime on this installation's servers, or on those of the settings given."""
    rt = Runtime(settings or with_local_servers(), deadlines=Work.COMMAND.value)
    before = acting.set(_user())
    try:
        yield rt
    finally:
        acting.reset(before)
        rt.close()


def _user() -> Actor:
    """Return the user of this process and the command that he runs; he may claim to act for another (`--as`)."""
    context = click.get_current_context(silent=True)
    command = context.command_path.partition(" ")[2] if context else ""
    claimed = (context.find_root().params.get("claimed") if context else None) or os.environ.get("SUDO_USER")
    return Actor(ActorKind.OS_USER, _name(), socket.gethostname(), command or "python", claimed)


def _name() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without an entry
        return str(os.getuid())
