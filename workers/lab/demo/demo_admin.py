"""The console's user of `postroad up` and `postroad demo`: an administrator who signs in by one-time links."""

from contextlib import suppress

from pipeline.errors import AlreadyExists
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.users.login_links import make_link
from pipeline.stages.users.users import create_user
from schema.vocabulary import LinkPurpose, Role

NAME = "admin"


def console_url(settings: Settings) -> str:
    """Return the console's address on this machine."""
    host = settings.console_host
    return f"http://{'127.0.0.1' if host in ('', '0.0.0.0', '::') else host}:{settings.console_port}"  # noqa: S104


def link(rt: Runtime, settings: Settings) -> str:
    """Return a one-time link that signs in as `admin`, an operator, who is created if need be."""
    with suppress(AlreadyExists):
        create_user(rt, NAME, [Role.ADMIN])
    return f"{console_url(settings)}/link?token={make_link(rt, NAME, LinkPurpose.SIGN_IN).token}"
