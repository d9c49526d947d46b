"""What an operator may set on one of Acme's keys, and how a key is made."""

import secrets

from pipeline.dialects.contract import HANDLE
from pipeline.rules.api.key_settings import EVERY, SENDER
from pipeline.vault import Vault
from schema.api import NewKey

SETTINGS = EVERY | {"sender": SENDER}
SCOPES = ("read", "send")


def make_key(vault: Vault, _test: bool) -> NewKey:
    """Return a new key: its credentials as they are shown once, and what is kept of them."""
    token = f"acme_{secrets.token_urlsafe(32)}"
    return NewKey({"key": token}, vault.digest(HANDLE, "acme", token).hex(), token[-4:])
