"""Authentication of Postroad's own API: `Authorization: Bearer pr_live_…` (RFC 6750)."""

import re

from pipeline.dialects.contract import HANDLE, Authentication, bearer
from pipeline.dialects.postroad.errors import refuse
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

#: largest request body in bytes: 10,000 recipients with their merge fields
LARGEST = 8 * 1024 * 1024

_TOKEN = re.compile(r"pr_(live|test)_[A-Za-z0-9]{32}")


def _find_handle(call: ApiRequest, vault: Vault) -> str | ApiResponse:
    token = bearer(call)
    if token is None or not _TOKEN.fullmatch(token):
        return refuse(call, [Refusal(Code.UNAUTHENTICATED, "")])
    return vault.digest(HANDLE, "postroad", token).hex()


def _verify(_call: ApiRequest, _key: ApiKey, _vault: Vault, _now: object) -> ApiResponse | None:
    # the token itself is the proof: the key was found by it
    return None


AUTHENTICATION = Authentication(
    largest=LARGEST, rate=100.0, burst=200, find_handle=_find_handle, verify=_verify, refuse=refuse
)
