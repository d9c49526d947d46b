"""The signature of Solaris' webhooks: HMAC-SHA256 of the raw body."""

import hmac
from collections.abc import Sequence
from hashlib import sha256


def sign(secrets: Sequence[bytes], body: bytes) -> str:
    """Return the signature of a body with the newest secret: `sha256=` and the HMAC in hex."""
    return "sha256=" + hmac.new(secrets[0], body, sha256).hexdigest()
