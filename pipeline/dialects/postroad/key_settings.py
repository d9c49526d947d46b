"""API keys of Postroad's own API: their settings and scopes, and how one is generated."""

from pipeline.dialects.contract import bearer_key, random_word
from pipeline.rules.api.key_settings import EVERY
from pipeline.vault import Vault
from schema.api import ApiKey, NewKey

SETTINGS = EVERY

SEND, READ = "messages:send", "messages:read"
READ_INBOUND = "inbound:read"
READ_TEMPLATES, WRITE_TEMPLATES = "templates:read", "templates:write"
READ_BALANCE = "balance:read"
WRITE_WEBHOOKS = "webhooks:write"
READ_CAMPAIGNS, WRITE_CAMPAIGNS = "campaigns:read", "campaigns:write"
APPROVE_CAMPAIGNS = "campaigns:approve"

SCOPES = (
    *(SEND, READ, READ_INBOUND, READ_TEMPLATES, WRITE_TEMPLATES, READ_BALANCE, WRITE_WEBHOOKS),
    *(READ_CAMPAIGNS, WRITE_CAMPAIGNS, APPROVE_CAMPAIGNS),
)


def sees_numbers(key: ApiKey) -> bool:
    """Return whether a key may read the numbers of a campaign's recipients: it may read messages as well."""
    return not key.scopes or READ in key.scopes


def make_key(vault: Vault, test: bool) -> NewKey:
    """Return a new key: `pr_live_…`, or `pr_test_…` for tests."""
    return bearer_key(vault, "postroad", f"pr_{'test' if test else 'live'}_{random_word(32)}", "api_key")
