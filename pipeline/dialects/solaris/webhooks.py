"""Solaris' webhooks: status changes of messages, and changes of persons' numbers (docs.solarisgroup.com).

The events of numbers are the vendor's; they contain neither the number nor the person's name:

    POST {url}    Solaris-Webhook-Event-Type: PERSON_MOBILE_NUMBER_CREATED    Solaris-Entity-Id: <person>    {}
    POST {url}    Solaris-Webhook-Event-Type: PERSON_MOBILE_NUMBER_DELETED    Solaris-Entity-Id: <person>
    {"id": "<number>"}

The vendor has no events of messages; their names are ours, in the style of the others. They contain neither number nor
text:

    POST {url}    Solaris-Webhook-Event-Type: SMS_MESSAGE_DELIVERED    Solaris-Entity-Id: <message>
    {"id": "<message>", "status": "delivered", "updated_at", "error"?}

A new endpoint gets one POST without a body, of event type WEBHOOK-SUBSCRIPTION, and is registered if it answers 2xx.
"""

import json
from collections.abc import Container, Sequence
from datetime import datetime

from pipeline.dialects.solaris.responses import spell_number
from pipeline.dialects.solaris.webhook_signature import sign
from schema.api import MessageEvent, PersonEvent, WebhookPost
from schema.vocabulary import NumberMove, Status

SCHEDULE: tuple[float, ...] = (5, 60, 300, 1800, 7200, 28_800, 86_400)
TIMEOUT: float = 15
SUCCESSES: Container[int] = range(200, 300)
CONFIRMATION = "2xx"

#: none for queued: the response to the request says it
EVENTS = {
    Status.SENT: "SMS_MESSAGE_SENT",
    Status.DELIVERED: "SMS_MESSAGE_DELIVERED",
    Status.FAILED: "SMS_MESSAGE_FAILED",
    Status.REJECTED: "SMS_MESSAGE_REJECTED",
}
NUMBER_EVENTS = {
    NumberMove.CREATED: "PERSON_MOBILE_NUMBER_CREATED",
    NumberMove.DELETED: "PERSON_MOBILE_NUMBER_DELETED",
}


def verification_call(secret: str) -> WebhookPost:
    """Return the verification call to a new endpoint; the vendor sends no secret with it."""
    return WebhookPost({"Content-Type": "application/json", "Solaris-Webhook-Event-Type": "WEBHOOK-SUBSCRIPTION"}, b"")


def is_confirmed(secret: str, status: int, body: bytes) -> bool:
    """Return whether the response confirms the verification call."""
    return status in SUCCESSES


def compose(notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the webhook call for an event; None: there is none for its status, or the endpoint did not subscribe."""
    event = EVENTS.get(notification.status)
    if event is None or (notification.listens_to and event not in notification.listens_to):
        return None
    said = {
        "id": str(notification.message),
        "status": str(notification.status),
        "updated_at": _instant(notification.at),
    }
    if notification.error_code:
        said["error"] = str(notification.error_code)
    return _posting(notification, event, str(notification.message), said, secrets)


def compose_number(notification: PersonEvent, secrets: Sequence[bytes]) -> WebhookPost | None:
    """Return the webhook call for a change of a person's number; None: the endpoint did not subscribe to it."""
    event = NUMBER_EVENTS[notification.move]
    if notification.listens_to and event not in notification.listens_to:
        return None
    said = {"id": spell_number(notification.number)} if notification.move is NumberMove.DELETED else {}
    return _posting(notification, event, notification.person, said, secrets)


def _posting(
    notification: MessageEvent | PersonEvent, event: str, entity: str, said: dict[str, str], secrets: Sequence[bytes]
) -> WebhookPost:
    body = json.dumps(said, separators=(",", ":")).encode()
    return WebhookPost(
        {
            "Content-Type": "application/json",
            "Solaris-Webhook-Id": str(notification.event),
            "Solaris-Webhook-Subscription-Id": str(notification.endpoint or ""),
            "Solaris-Webhook-Event-Type": event,
            "Solaris-Webhook-Attempt": str(notification.attempt),
            "Solaris-Webhook-Signature": sign(secrets, body),
            "Solaris-Entity-Id": entity,
        },
        body,
    )


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
