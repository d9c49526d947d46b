"""What Solaris' partners are told of their messages and of their persons' numbers (docs.solarisgroup.com).

Of numbers, in the vendor's words; neither the number nor the person's name is told:

    POST {url}    Solaris-Webhook-Event-Type: PERSON_MOBILE_NUMBER_CREATED    Solaris-Entity-Id: <person>    {}
    POST {url}    Solaris-Webhook-Event-Type: PERSON_MOBILE_NUMBER_DELETED    Solaris-Entity-Id: <person>
    {"id": "<number>"}

Of messages the vendor tells nothing: names of events are ours, in the manner of the others. Neither number nor text is
told:

    POST {url}    Solaris-Webhook-Event-Type: SMS_MESSAGE_DELIVERED    Solaris-Entity-Id: <message>
    {"id": "<message>", "status": "delivered", "updated_at", "error"?}

A new endpoint is sent one POST without a body, of the event type WEBHOOK-SUBSCRIPTION, and counts once it answers 2xx.
"""

import hmac
import json
from collections.abc import Container, Sequence
from datetime import datetime
from hashlib import sha256

from pipeline.dialects.solaris.responses import spell_number
from schema.api import MessageEvent, PersonEvent, WebhookPost
from schema.vocabulary import NumberMove, Status

SCHEDULE: tuple[float, ...] = (5, 60, 300, 1800, 7200, 28_800, 86_400)
TIMEOUT: float = 15
SUCCESSES: Container[int] = range(200, 300)
CONFIRMATION = "2xx"

#: queued is what the answer to the request said
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
    """Return the call that asks a new endpoint whether it is there: the vendor sends no secret with it."""
    return WebhookPost({"Content-Type": "application/json", "Solaris-Webhook-Event-Type": "WEBHOOK-SUBSCRIPTION"}, b"")


def is_confirmed(secret: str, status: int, body: bytes) -> bool:
    """Tell whether it is there."""
    return status in SUCCESSES


def compose(notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the call that tells it; None: there is no word for it, or the endpoint does not hear it."""
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
    """Return the call that tells what became of a number; None: the endpoint does not hear it."""
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


def sign(secrets: Sequence[bytes], body: bytes) -> str:
    """Return the signature of a body by the newest secret."""
    return "sha256=" + hmac.new(secrets[0], body, sha256).hexdigest()


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
