"""The console's user of `postroad up` and `postroad demo`: an administrator who signs in by one-time links."""

from contextlib import suppress

from pipeline.errors import AlreadyExists
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.users.login_links import make_link
from pipeline.stages.users.users import create_user
from schema.vocabulary import LinkPurpose, Role

NAME = "admin"


def link(rt: Runtime, settings: Settings) -> str:
    """Return a one-time link that signs in as `admin`, an operator, who is created if need be."""
    with suppress(AlreadyExists):
        create_user(rt, NAME, [Role.ADMIN])
    return f"{settings.console_address}/link?token={make_link(rt, NAME, LinkPurpose.SIGN_IN).token}"
