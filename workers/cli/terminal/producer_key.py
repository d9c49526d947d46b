"""The producer key by which CLI commands encrypt the orders that they enqueue."""

import os

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.settings import Settings
from pipeline.stages.unseal import own_key
from workers.cli.terminal.opened import opened


def key_for(settings: Settings, account: str) -> str:
    """Return the key for an account's orders: POSTROAD_PRODUCER_KEY, or the account's latest; "": none.

    If the database is unreachable, orders are not encrypted: only an account that requires it refuses them.
    """
    if given := os.environ.get("POSTROAD_PRODUCER_KEY"):
        return given
    try:
        with opened(settings) as rt:
            return own_key(rt, account) or ""
    except (ConfigurationError, DatabaseFault):
        return ""
