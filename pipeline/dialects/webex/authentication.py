"""How Webex Interact receives a caller: `X-AUTH-KEY: aky_…`, ten calls a second by key and endpoint."""

from pipeline.dialects.contract import HANDLE, Authentication
from pipeline.dialects.webex.errors import refuse
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

#: bytes of the largest request: 10,000 numbers with their merge fields
LARGEST = 8 * 1024 * 1024
#: characters of the longest key that is looked for
_LONGEST = 256


def _who(call: ApiRequest, vault: Vault) -> str | ApiResponse:
    token = call.headers.get("x-auth-key", "").strip()
    if not token or len(token) > _LONGEST or not token.isascii():
        return refuse(call, [Refusal(Code.UNAUTHENTICATED, "")])
    return vault.digest(HANDLE, "webex", token).hex()


def _prove(_call: ApiRequest, _key: ApiKey, _vault: Vault, _now: object) -> ApiResponse | None:
    # whoever knows the token is its owner
    return None


AUTHENTICATION = Authentication(largest=LARGEST, rate=10.0, burst=10, who=_who, prove=_prove, refuse=refuse)
