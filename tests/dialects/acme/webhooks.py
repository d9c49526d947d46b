"""Acme's webhooks: `POST {url} {"id", "status"}`, signed with HMAC-SHA256."""

import hmac
import json
from collections.abc import Container, Sequence
from datetime import datetime
from hashlib import sha256

from schema.api import MessageEvent, WebhookPost
from schema.vocabulary import Status

SCHEDULE: tuple[float, ...] = (10, 60, 600)
TIMEOUT: float = 10
SUCCESSES: Container[int] = range(200, 300)

_EVENTS = frozenset({Status.SENT, Status.DELIVERED, Status.FAILED, Status.REJECTED})


def compose(notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the webhook request of an event; None when Acme lacks the event, or the endpoint does not subscribe."""
    if notification.status not in _EVENTS or (
        notification.listens_to and notification.status not in notification.listens_to
    ):
        return None
    body = json.dumps({"id": str(notification.message), "status": str(notification.status)}).encode()
    signature = hmac.new(secrets[0], body, sha256).hexdigest()
    return WebhookPost({"Content-Type": "application/json", "X-Acme-Signature": signature}, body)
