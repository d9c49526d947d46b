"""Time-based one-time passwords (RFC 6238, with HOTP of RFC 4226): SHA-1, six digits, steps of 30 seconds."""

import hmac
from base64 import b32encode
from datetime import datetime
from urllib.parse import quote, urlencode

#: bytes of a secret: as many as SHA-1 has
SECRET_SIZE = 20
DIGITS, STEP_SECONDS = 6, 30
#: steps that a user's clock may be ahead or behind
_DRIFT = 1


def code_at(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """Return the code of a time step."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def step_at(now: datetime) -> int:
    """Return the time step of a moment."""
    return int(now.timestamp()) // STEP_SECONDS


def step_of(secret: bytes, code: str, now: datetime) -> int | None:
    """Return the time step that a code is of, the present one or one beside it; None: of none of them."""
    shown = "".join(code.split()).encode("utf-8", "surrogatepass")
    present = step_at(now)
    steps = range(present - _DRIFT, present + _DRIFT + 1)
    found = [step for step in steps if hmac.compare_digest(code_at(secret, step).encode(), shown)]
    return max(found, default=None)


def spelt(secret: bytes) -> str:
    """Return a secret as users type it into their app (Base32)."""
    return b32encode(secret).decode()


def uri(secret: bytes, name: str, issuer: str) -> str:
    """Return a secret as apps read it (`otpauth://`)."""
    label = quote(f"{issuer}:{name}", safe="")
    return f"otpauth://totp/{label}?" + urlencode({"secret": spelt(secret), "issuer": issuer}, quote_via=quote)
