"""OAuth 2 authentication: client credentials (RFC 6749, section 4.4), then a bearer token (RFC 6750).

A token is not stored: it is the partner's id and its expiry, sealed with a keyed hash. The key is looked up by that id
at every request, so a revoked key invalidates its tokens at once. A token sealed with an older secret key is valid
until it expires, as long as that key is configured.
"""

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from urllib.parse import unquote_plus

from pipeline.dialects.contract import SECRET, Authentication, bearer, fields, reply
from pipeline.dialects.solaris.errors import (
    INVALID_TOKEN,
    TOKEN_REQUIRED,
    UNSTORED,
    SolarisFault,
    answer,
    is_token_call,
    refuse,
    token_error,
)
from pipeline.dialects.solaris.key_settings import read
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse

#: purpose of the hash that seals a token
_PURPOSE = "token"
#: the only scope
_SCOPE = "partners"

_TOKEN = re.compile(r"([0-9A-Za-z-]{1,64})\.([0-9]{1,12})\.([0-9A-Za-z_-]{43})")
_CLIENT = re.compile(r"[\x21-\x7e]{1,64}")
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class OAuthClient:
    """The client credentials of a token request."""

    id: str
    secret: str


def find_handle(call: ApiRequest, vault: Vault) -> str | ApiResponse:
    """Return the partner's id in the request's credentials or token, or the error response."""
    if is_token_call(call):
        client = _client(call)
        return client if isinstance(client, ApiResponse) else client.id
    token = bearer(call)
    if token is None:
        return answer(call, [SolarisFault(INVALID_TOKEN if call.headers.get("authorization") else TOKEN_REQUIRED)])
    found = _read(token, vault)
    if found is None:
        return answer(call, [SolarisFault(INVALID_TOKEN)])
    partner, _ = found
    return partner


def verify(call: ApiRequest, key: ApiKey, vault: Vault, now: datetime) -> ApiResponse | None:
    """Return None if the client secret is right, or the token has not expired; else the error response."""
    if is_token_call(call):
        client = _client(call)
        if isinstance(client, ApiResponse):
            return client
        if key.secret_hash is not None and vault.matches(key.secret_hash, SECRET, client.id, client.secret):
            return None
        return token_error(call, 401, "invalid_client", "no such client, or not its secret")
    if found := _read(bearer(call) or "", vault):
        _, expires_at = found
        if expires_at > now:
            return None
    return answer(call, [SolarisFault(INVALID_TOKEN)])


def secret_hash(call: ApiRequest, vault: Vault) -> bytes | None:
    """Return the hash of the client secret in a token request; None: the request has no secret."""
    client = _client(call) if is_token_call(call) else None
    return vault.digest(SECRET, client.id, client.secret) if isinstance(client, OAuthClient) else None


def grant(call: ApiRequest, key: ApiKey, vault: Vault, now: datetime) -> ApiResponse:
    """Return the response to an authenticated token request: a token, or what is wrong with the request."""
    form = _form(call)
    if isinstance(form, ApiResponse):
        return form
    if not form.get("grant_type"):
        return token_error(call, 400, "invalid_request", "grant_type is missing")
    if form["grant_type"] != "client_credentials":
        return token_error(call, 400, "unsupported_grant_type", "the grant type must be client_credentials")
    if form.get("scope", _SCOPE) not in (_SCOPE, ""):
        return token_error(call, 400, "invalid_scope", f"the scope must be {_SCOPE}")
    seconds = read(key).token_seconds
    token = make(key.handle, now + timedelta(seconds=seconds), vault)
    return reply(200, {"access_token": token, "token_type": "Bearer", "expires_in": seconds}, UNSTORED)


def make(partner: str, ends: datetime, vault: Vault) -> str:
    """Return an access token of the partner that is valid until `ends`."""
    until = str(int(ends.timestamp()))
    return f"{partner}.{until}.{_seal(partner, until, vault)}"


def _read(token: str, vault: Vault) -> tuple[str, datetime] | None:
    """Return the partner and the expiry of a token; None: its seal is invalid."""
    parts = _TOKEN.fullmatch(token)
    if parts is None:
        return None
    partner, until, seal = parts.groups()
    found = [compare_digest(seal, _seal(partner, until, each)) for each in vault.versions]
    if not any(found):
        return None
    return partner, datetime.fromtimestamp(int(until), UTC)


def _seal(partner: str, until: str, vault: Vault) -> str:
    return urlsafe_b64encode(vault.digest(_PURPOSE, "solaris", partner, until)).rstrip(b"=").decode()


def _client(call: ApiRequest) -> OAuthClient | ApiResponse:
    """Return the client id and secret of the header or the form, not of both (RFC 6749, section 2.3.1)."""
    form = _form(call)
    if isinstance(form, ApiResponse):
        return form
    header = call.headers.get("authorization")
    if header and "client_secret" in form:
        return token_error(call, 400, "invalid_request", "the secret is given twice")
    shown = _basic(header) if header else (form.get("client_id", ""), form.get("client_secret", ""))
    client, secret = shown or ("", "")
    if not _CLIENT.fullmatch(client) or not secret:
        return token_error(call, 401, "invalid_client", "show the client's id and secret")
    if form.get("client_id", client) != client:
        return token_error(call, 400, "invalid_request", "two clients are named")
    return OAuthClient(client, secret)


def _basic(header: str) -> tuple[str, str] | None:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return None
    return (unquote_plus(name), unquote_plus(secret)) if colon else None


def _form(call: ApiRequest) -> Mapping[str, str] | ApiResponse:
    if call.headers.get("content-type", "").partition(";")[0].strip().lower() != _FORM:
        return token_error(call, 400, "invalid_request", f"send {_FORM}")
    try:
        return fields(call.body.decode())
    except ValueError:
        return token_error(call, 400, "invalid_request", "the form cannot be read")


#: the vendor limits SMS by recipient only; this rate limit keeps one partner from starving the others
AUTHENTICATION = Authentication(
    largest=64 * 1024,
    rate=500,
    burst=1000,
    find_handle=find_handle,
    verify=verify,
    refuse=refuse,
    is_in_body=is_token_call,
    secret_hash=secret_hash,
)
