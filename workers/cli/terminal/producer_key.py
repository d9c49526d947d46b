"""The producer key with which our own commands seal what they enqueue."""

import os

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.settings import Settings
from pipeline.stages.unseal import own_key
from workers.cli.terminal.opened import opened


def key_for(settings: Settings, account: str) -> str:
    """Return the key to seal an account's orders with: POSTROAD_PRODUCER_KEY, or the account's latest; "": none.

    Where the database does not tell, orders go unsealed: only an account that demands sealed ones refuses them.
    """
    if given := os.environ.get("POSTROAD_PRODUCER_KEY"):
        return given
    try:
        with opened(settings) as rt:
            return own_key(rt, account) or ""
    except (ConfigurationError, DatabaseFault):
        return ""
