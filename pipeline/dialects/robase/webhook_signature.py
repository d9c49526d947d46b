"""The signature of Robase's webhooks: HMAC-SHA256 of the time and the raw body, with each secret in force."""

import hmac
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256


def sign(secrets: Sequence[bytes], now: datetime, body: bytes) -> str:
    """Return the value of `Robase-Signature`: the time, and a signature with each secret, the newest last."""
    moment = str(int(now.timestamp()))
    signed = moment.encode() + b"." + body
    return ",".join(
        [f"t={moment}", *(f"v1={hmac.new(each, signed, sha256).hexdigest()}" for each in reversed(secrets))]
    )
