"""Creation of Acme's API keys, and their settings."""

import secrets

from pipeline.dialects.contract import HANDLE
from pipeline.rules.api.key_settings import EVERY, SENDER
from pipeline.vault import Vault
from schema.api import NewKey

SETTINGS = {**EVERY, "sender": SENDER}
SCOPES = ("read", "send")


def make_key(vault: Vault, _test: bool) -> NewKey:
    """Return a new key: the credentials, which are shown once, and what is stored of them."""
    token = f"acme_{secrets.token_urlsafe(32)}"
    return NewKey({"key": token}, vault.digest(HANDLE, "acme", token).hex(), token[-4:])
