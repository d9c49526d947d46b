"""The signature of Postroad's webhooks, by Standard Webhooks (www.standardwebhooks.com): HMAC-SHA256, symmetric."""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256

#: prefix of a secret; the rest is base64
PREFIX = b"whsec_"


def sign(secrets: Sequence[bytes], id_: str, timestamp: int, body: bytes) -> str:
    """Return the value of `webhook-signature`: `v1,` and base64, once for each secret, separated by blanks."""
    signed = f"{id_}.{timestamp}.".encode() + body
    return " ".join("v1," + b64encode(hmac.new(_key(each), signed, sha256).digest()).decode() for each in secrets)


def _key(secret: bytes) -> bytes:
    return b64decode(secret.removeprefix(PREFIX))
