"""Authentication of calls to Acme's API: `X-Acme-Key: acme_…`. Pure: the vault and the time are parameters."""

import re
from datetime import datetime

from pipeline.dialects.contract import HANDLE, Authentication
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code
from tests.dialects.acme.errors import refuse

_TOKEN = re.compile(r"acme_[A-Za-z0-9_-]{43}")


def find_handle(call: ApiRequest, vault: Vault) -> str | ApiResponse:
    """Return the handle of the caller's key, or the response to a call without a key."""
    token = call.headers.get("x-acme-key", "")
    if not _TOKEN.fullmatch(token):
        return refuse(call, [Refusal(Code.UNAUTHENTICATED, "")])
    return vault.digest(HANDLE, "acme", token).hex()


def verify(_call: ApiRequest, _key: ApiKey, _vault: Vault, _now: datetime) -> ApiResponse | None:
    """Return None: the key in the header is sufficient."""
    return None


AUTHENTICATION = Authentication(
    largest=64 * 1024, rate=10, burst=10, find_handle=find_handle, verify=verify, refuse=refuse
)
