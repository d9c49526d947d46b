"""Webex Interact's webhooks: status changes of messages, as CloudEvents 1.0 (docs.webexinteract.com/reference).

    POST {url}    x-hub-signature: <hex>
    {"specversion": "1.0", "type": "com.interact.messages.sms.status", …, "data": {"status": "delivered", …},
     "correlation_id"?, "transaction_id"}

A new endpoint gets a secret and is registered if it answers 200 with that secret in the body (docs.webexinteract.com,
docs/webhooks). How the secret is sent is not documented; `{"secret": "…"}` can be parsed, or returned as it is.

The vendor documents no header for its signature; the name, the signed bytes (the raw body, by HMAC-SHA256) and the
number of attempts are those of Webex Connect (developers.webexconnect.io/reference/outbound-webhooks).
"""

import json
from collections.abc import Container, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from pipeline.dialects.webex import datetimes
from pipeline.dialects.webex.requests import API, BILLING
from pipeline.dialects.webex.webhook_signature import sign
from pipeline.rules.identity import ksuids
from pipeline.rules.text.segments import measure
from schema.api import MessageEvent, WebhookPost
from schema.vocabulary import Status

SCHEDULE: tuple[float, ...] = (60, 60, 60)
TIMEOUT: float = 10
SUCCESSES: Container[int] = range(200, 300)

#: none for queued: the response to the request says it
EVENTS = {
    Status.SENT: "submitted",
    Status.DELIVERED: "delivered",
    Status.FAILED: "failed",
    Status.REJECTED: "failed",
}
#: a string here, a number in responses; the vendor documents none for the other statuses
_SUBMITTED = "1003"

CONFIRMATION = "200, with the secret it was sent in the body"


def verification_call(secret: str) -> WebhookPost:
    """Return the verification call to a new endpoint, with the secret that it must return."""
    return WebhookPost({"Content-Type": "application/json"}, json.dumps({"secret": secret}).encode())


def is_confirmed(secret: str, status: int, body: bytes) -> bool:
    """Return whether the response confirms the verification call: 200, and the secret in the body."""
    return status == HTTPStatus.OK and secret.encode() in body


def compose(notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the webhook call for an event; None: there is none for its status, or the endpoint did not subscribe."""
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
