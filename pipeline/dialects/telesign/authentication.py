"""Authentication of TeleSign's API: Basic with the API key, or a TSA signature made with it (HMAC-SHA256).

The string to sign, each part on its own line, without a line break after the last:

    METHOD
    the Content-Type header as received, or nothing
    the Date header; nothing if x-ts-date is used
    x-ts-auth-method:HMAC-SHA256
    x-ts-date:…                       if it is used
    x-ts-nonce:…
    the body, byte for byte           if there is one
    the path, without the query and the prefix under which the API is mounted
"""

import hmac
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any

from pipeline.dialects.contract import Authentication, Nonce
from pipeline.dialects.telesign import key_settings
from pipeline.dialects.telesign.errors import (
    FORGED,
    MALFORMED,
    MISDATED,
    MISSING,
    NONCE_LENGTH,
    OTHERWISE_SIGNED,
    UNAVAILABLE,
    UNDATED,
    UNTIMELY,
    WRONG_KEY,
    TelesignError,
    refuse,
    respond,
)
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse

_METHOD = "HMAC-SHA256"
#: pattern of a customer id
_CUSTOMER = re.compile(r"[!-~]{1,64}")
#: lengths of a nonce; the vendor's clients send a UUID
_NONCE = range(4, 65)
#: seconds for which a nonce is remembered: the greatest tolerance of a date, before and after
_REMEMBERED = 1800


def find_handle(call: ApiRequest, _vault: Vault) -> str | ApiResponse:
    """Return the customer id in the Authorization header, or the error response."""
    header = call.headers.get("authorization", "").strip()
    if not header:
        return respond(call, [MISSING])
    scheme, _, rest = header.partition(" ")
    shown = _of_basic(rest) if scheme.lower() == "basic" else _of_signature(rest) if scheme == "TSA" else None
    return shown[0] if shown else respond(call, [MALFORMED])


def verify(call: ApiRequest, key: ApiKey, _vault: Vault, now: datetime) -> ApiResponse | None:
    """Return None if the request proves possession of the key, else the response with the first error."""
    scheme, _, rest = call.headers.get("authorization", "").strip().partition(" ")
    assert key.secret is not None
    if scheme.lower() == "basic":
        shown = _of_basic(rest)
        fits = shown is not None and hmac.compare_digest(shown[1].encode(), b64encode(key.secret))
        return None if fits else respond(call, [WRONG_KEY])
    at = _signed_at(call)
    if isinstance(at, TelesignError):
        return respond(call, [at])
    shown = _of_signature(rest)
    given = shown[1].encode() if shown else b""
    strings = list(strings_to_sign(call))
    holds = any(hmac.compare_digest(given, sign(key.secret, string)) for string in strings)
    # only a valid signature is judged by the tolerance of its key, so that others do not learn it
    fault = _fault_of_time(at, key.settings if holds else {}, now) or _fault_of_nonce(call)
    if fault:
        return respond(call, [fault])
    return None if holds else respond(call, [FORGED], strings[0].decode("utf-8", "replace"))


def is_signed(call: ApiRequest) -> bool:
    """Return whether a request is signed, including its body."""
    return call.headers.get("authorization", "").strip().startswith("TSA ")


def nonce(call: ApiRequest) -> Nonce | None:
    """Return the nonce of a signed request; Basic needs none, though clients send one."""
    if is_signed(call):
        return Nonce(call.headers.get("x-ts-nonce", ""), _REMEMBERED)
    return None


def sign(secret: bytes, message: bytes) -> bytes:
    """Return the signature of a message in base64."""
    return b64encode(hmac.new(secret, message, sha256).digest())


def strings_to_sign(call: ApiRequest) -> Iterator[bytes]:
    """Yield the strings that a signature may be made of: as the vendor's clients make them, then as documented."""
    headers = call.headers
    own_date = headers.get("x-ts-date")
    for blank in ("", " "):
        lines = [
            call.method,
            headers.get("content-type", ""),
            "" if own_date else headers.get("date", ""),
            f"x-ts-auth-method:{blank}{headers.get('x-ts-auth-method', '')}",
            *([f"x-ts-date:{own_date}"] if own_date else []),
            f"x-ts-nonce:{headers.get('x-ts-nonce', '')}",
        ]
        body = [call.body] if call.body else []
        # header bytes that are not UTF-8 are signed as received
        parts = [*(line.encode("utf-8", "surrogateescape") for line in lines), *body, call.path.encode()]
        yield b"\n".join(parts)


def _signed_at(call: ApiRequest) -> datetime | TelesignError:
    """Return when a request was signed, or what is wrong with its headers."""
    if call.headers.get("x-ts-auth-method") != _METHOD:
        return OTHERWISE_SIGNED
    written = call.headers.get("x-ts-date") or call.headers.get("date")
    if not written:
        return UNDATED
    return _moment(written) or MISDATED


def _fault_of_time(at: datetime, settings: Mapping[str, Any], now: datetime) -> TelesignError | None:
    try:
        tolerance = timedelta(seconds=key_settings.read(settings).tolerance)
    except ValueError:  # requests are authenticated in batches: only this one fails
        return UNAVAILABLE
    return UNTIMELY if abs(at - now) > tolerance else None


def _fault_of_nonce(call: ApiRequest) -> TelesignError | None:
    return None if len(call.headers.get("x-ts-nonce", "")) in _NONCE else NONCE_LENGTH


def _moment(written: str) -> datetime | None:
    """Return the time of an RFC 822 date, which must name its zone; None if it is invalid."""
    try:
        at = parsedate_to_datetime(written)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if at.tzinfo is not None:
        return at
    # RFC 5322: -0000 is UTC, the local zone is not stated
    return at.replace(tzinfo=UTC) if written.rstrip().endswith("-0000") else None


def _of_basic(rest: str) -> tuple[str, str] | None:
    try:
        customer, colon, secret = b64decode(rest.strip(), validate=True).decode("ascii").partition(":")
    except ValueError:
        return None
    return (customer, secret) if colon and _CUSTOMER.fullmatch(customer) else None


def _of_signature(rest: str) -> tuple[str, str] | None:
    customer, colon, signature = rest.strip().rpartition(":")
    return (customer, signature) if colon and signature.isascii() and _CUSTOMER.fullmatch(customer) else None


#: the vendor publishes no default rate limit
AUTHENTICATION = Authentication(
    largest=64 * 1024,
    rate=100,
    burst=200,
    find_handle=find_handle,
    verify=verify,
    refuse=refuse,
    is_in_body=is_signed,
    nonce=nonce,
)
