"""Verification of a webhook as the reference library of Standard Webhooks does it (standard-webhooks/libraries/python).

Written out from its `Webhook.verify`, so that our signature is held against the specification, not against itself.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

#: how far a timestamp may be from the receiver's clock
TOLERANCE = timedelta(minutes=5)


class VerificationError(Exception):
    """The call does not come from who knows the secret, or it is too old."""


def verify(secret: str, data: bytes, headers: Mapping[str, str], now: datetime) -> Any:
    """Return the content of a webhook call; VerificationError."""
    key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    given = {name.lower(): word for name, word in headers.items()}
    id_, stamp, signatures = (given.get(f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    if not (id_ and stamp and signatures):
        raise VerificationError("missing required headers")
    timestamp = datetime.fromtimestamp(float(stamp), tz=UTC)
    if abs(now - timestamp) > TOLERANCE:
        raise VerificationError("message timestamp too old, or too new")
    to_sign = f"{id_}.{int(timestamp.timestamp())}.{data.decode()}".encode()
    expected = hmac.new(key, to_sign, hashlib.sha256).digest()
    for versioned in signatures.split(" "):
        version, signature = versioned.split(",")
        if version == "v1" and hmac.compare_digest(expected, base64.b64decode(signature)):
            return json.loads(data)
    raise VerificationError("no matching signature found")
