"""Webex Interact API keys: their settings and scopes, and how one is generated."""

import re

from pipeline.dialects.contract import bearer_key, random_word
from pipeline.rules.api.key_settings import EVERY, text
from pipeline.vault import Vault
from schema.api import NewKey

_ZONE = re.compile(r"[A-Za-z0-9_+/-]{1,64}")
_REGION = re.compile(r"[A-Z]{2,3}")

SETTINGS = {
    **EVERY,
    "home_region": text("a region: UK", lambda it: bool(_REGION.fullmatch(it))),
    "time_zone": text("a time zone: Europe/London", lambda it: bool(_ZONE.fullmatch(it))),
}
SCOPES = ("account", "scheduled", "senders", "sending")


def make_key(vault: Vault, _test: bool) -> NewKey:
    """Return a new key: `aky_…`."""
    return bearer_key(vault, "webex", f"aky_{random_word(27)}", "access_token")
