"""Authentication of Webex Interact's API: `X-AUTH-KEY: aky_…`; ten requests a second per key and operation."""

from pipeline.dialects.contract import HANDLE, Authentication
from pipeline.dialects.webex.errors import refuse
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

#: largest request body in bytes: 10,000 numbers with their merge fields
LARGEST = 8 * 1024 * 1024
#: most characters of a key
_LONGEST = 256


def _find_handle(call: ApiRequest, vault: Vault) -> str | ApiResponse:
    token = call.headers.get("x-auth-key", "").strip()
    if not token or len(token) > _LONGEST or not token.isascii():
        return refuse(call, [Refusal(Code.UNAUTHENTICATED, "")])
    return vault.digest(HANDLE, "webex", token).hex()


def _verify(_call: ApiRequest, _key: ApiKey, _vault: Vault, _now: object) -> ApiResponse | None:
    # the token itself is the proof: the key was found by it
    return None


AUTHENTICATION = Authentication(
    largest=LARGEST, rate=10.0, burst=10, find_handle=_find_handle, verify=_verify, refuse=refuse
)
