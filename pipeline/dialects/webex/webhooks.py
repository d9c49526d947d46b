"""What Webex Interact's customers are told of their messages: CloudEvents 1.0 (docs.webexinteract.com/reference).

    POST {url}    x-hub-signature: <hex>
    {"specversion": "1.0", "type": "com.interact.messages.sms.status", …, "data": {"status": "delivered", …},
     "correlation_id"?, "transaction_id"}

A new endpoint is sent a secret and counts once it answers 200 with that secret in the body (docs.webexinteract.com,
docs/webhooks). How the secret is sent the vendor does not show; as `{"secret": "…"}` it can be read, or echoed whole.

The vendor names no header for its signature; the name, what is signed (the raw body, by HMAC-SHA256) and how often it
is tried are those of its sister Webex Connect (developers.webexconnect.io/reference/outbound-webhooks).
"""

import hmac
import json
from collections.abc import Container, Sequence
from datetime import datetime
from hashlib import sha256
from http import HTTPStatus
from typing import Any

from pipeline.dialects.webex import datetimes
from pipeline.dialects.webex.requests import API, BILLING
from pipeline.rules.identity import ksuids
from pipeline.rules.text.segments import measure
from schema.api import MessageEvent, WebhookPost
from schema.vocabulary import Status

SCHEDULE: tuple[float, ...] = (60, 60, 60)
TIMEOUT: float = 10
SUCCESSES: Container[int] = range(200, 300)

#: that it was taken the answer to the request said
EVENTS = {
    Status.SENT: "submitted",
    Status.DELIVERED: "delivered",
    Status.FAILED: "failed",
    Status.REJECTED: "failed",
}
#: a string here, where it is a number in answers; the vendor shows none for the others
_SUBMITTED = "1003"

CONFIRMATION = "200, with the secret it was sent in the body"


def verification_call(secret: str) -> WebhookPost:
    """Return the call that brings a new endpoint the secret it is to send back."""
    return WebhookPost({"Content-Type": "application/json"}, json.dumps({"secret": secret}).encode())


def is_confirmed(secret: str, status: int, body: bytes) -> bool:
    """Tell whether the secret came back."""
    return status == HTTPStatus.OK and secret.encode() in body


def compose(notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the call that tells it; None: there is no word for it, or the endpoint does not hear it."""
    event = EVENTS.get(notification.status)
    if event is None or (notification.listens_to and event not in notification.listens_to):
        return None
    envelope = {
        "specversion": "1.0",
        "type": "com.interact.messages.sms.status",
        "source": "https://api.webexinteract.com/v1/sms",
        "id": ksuids.spell("evt_", notification.event, notification.at),
        "time": datetimes.write(notification.at),
        "datacontenttype": "application/json",
        "data": _data(notification, event),
    }
    if notification.correlation_id is not None:
        envelope["correlation_id"] = notification.correlation_id
    envelope["transaction_id"] = ksuids.spell("tid_", notification.message)
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return WebhookPost({"Content-Type": "application/json", "x-hub-signature": sign(secrets, body)}, body)


def sign(secrets: Sequence[bytes], body: bytes) -> str:
    """Return the signature of a body by the newest secret."""
    return hmac.new(secrets[0], body, sha256).hexdigest()


def _data(notification: MessageEvent, event: str) -> dict[str, Any]:
    [parts] = measure([notification.body], BILLING[API])
    data = {"status": event, "channel": "sms"}
    if event == EVENTS[Status.SENT]:
        data["code"] = _SUBMITTED
    data |= {
        "phone_number": notification.phone,
        "from": notification.sender,
        "message_body": notification.body,
        "message_parts": str(parts.segments),
    }
    if notification.send_at is not None:
        data["scheduled_at"] = datetimes.write(notification.send_at)
    return data
