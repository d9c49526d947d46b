"""What Solaris' partners are told of their messages, in the manner of its other webhooks.

The vendor documents none for this API: names of events are ours, headers and signature are those of its person webhooks
(docs.solarisgroup.com). Neither number nor text is told.

    POST {url}    Solaris-Webhook-Event-Type: SMS_MESSAGE_DELIVERED    Solaris-Entity-Id: <message>
    {"id": "<message>", "status": "delivered", "updated_at", "error"?}
"""

import hmac
import json
from collections.abc import Container, Sequence
from datetime import datetime
from hashlib import sha256

from schema.door import Posting, Told
from schema.vocabulary import Status

SCHEDULE: tuple[float, ...] = (5, 60, 300, 1800, 7200, 28_800, 86_400)
TIMEOUT: float = 15
SUCCESSES: Container[int] = range(200, 300)

#: queued is what the answer to the request said
EVENTS = {
    Status.SENT: "SMS_MESSAGE_SENT",
    Status.DELIVERED: "SMS_MESSAGE_DELIVERED",
    Status.FAILED: "SMS_MESSAGE_FAILED",
    Status.REJECTED: "SMS_MESSAGE_REJECTED",
}


def compose(told: Told, secrets: Sequence[bytes], now: datetime) -> Posting | None:
    """Return the call that tells it; None: there is no word for it, or the endpoint does not hear it."""
    event = EVENTS.get(told.status)
    if event is None or (told.hears and event not in told.hears):
        return None
    said = {"id": str(told.message), "status": str(told.status), "updated_at": _instant(told.at)}
    if told.error_code:
        said["error"] = str(told.error_code)
    body = json.dumps(said, separators=(",", ":")).encode()
    return Posting(
        {
            "Content-Type": "application/json",
            "Solaris-Webhook-Id": str(told.event),
            "Solaris-Webhook-Subscription-Id": str(told.endpoint or ""),
            "Solaris-Webhook-Event-Type": event,
            "Solaris-Webhook-Attempt": str(told.attempt),
            "Solaris-Webhook-Signature": sign(secrets, body),
            "Solaris-Entity-Id": str(told.message),
        },
        body,
    )


def sign(secrets: Sequence[bytes], body: bytes) -> str:
    """Return the signature of a body by the newest secret."""
    return "sha256=" + hmac.new(secrets[0], body, sha256).hexdigest()


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
