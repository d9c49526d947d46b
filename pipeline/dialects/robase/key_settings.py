"""Robase API keys: their settings and scopes, and how one is generated."""

from pipeline.dialects.contract import bearer_key, random_word
from pipeline.rules.api.key_settings import EVERY
from pipeline.vault import Vault
from schema.api import NewKey

SETTINGS = EVERY
#: `sending` allows the operations that require no scope
SCOPES = ("full", "sending")


def make_key(vault: Vault, test: bool) -> NewKey:
    """Return a new key: `rb_live_…`, or `rb_test_…` for tests."""
    return bearer_key(vault, "robase", f"rb_{'test' if test else 'live'}_{random_word(32)}", "api_key")
