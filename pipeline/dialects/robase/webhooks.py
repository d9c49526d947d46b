"""Robase's webhooks: status changes of messages (docs.robase.dev/concepts/webhooks).

    POST {url}    Robase-Event: sms.delivered    Robase-Signature: t=1766570400,v1=<hex>
    {"id": "evt_…", "type": "sms.delivered", "created_at", "data": {"sms_id", "to", "from", "status", …}}

The signature is HMAC-SHA256 of `{t}.{raw body}` with the endpoint's secret. After a rotation there are two `v1`, the
newest last: clients that keep one keep the last.
"""

import json
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

from pipeline.dialects.robase.webhook_signature import sign
from schema.api import MessageEvent, WebhookPost
from schema.vocabulary import Code, Status

#: the vendor's own schedule is not public; a day and a half in all
SCHEDULE: tuple[float, ...] = (5, 60, 300, 1800, 7200, 28_800, 86_400)
TIMEOUT: float = 15
SUCCESSES: Container[int] = range(200, 300)

EVENTS = {
    Status.QUEUED: "sms.queued",
    Status.SENT: "sms.sent",
    Status.DELIVERED: "sms.delivered",
    Status.FAILED: "sms.failed",
    Status.REJECTED: "sms.rejected",
}

#: error code and message of messages that failed or were rejected after they were accepted
FAILURES: dict[Code, tuple[str, str]] = {
    Code.NO_PRICE: ("no_route", "there is no price for this destination"),
    Code.INSUFFICIENT_FUNDS: ("sms_quota_exceeded", "monthly quota and wallet are both exhausted"),
    Code.EXPIRED: ("expired", "no provider took it in time"),
    Code.NO_CARRIER_LEFT: ("provider_unavailable", "every provider refused it or was away"),
    Code.CARRIER_REFUSED: ("provider_rejected", "the provider refused it"),
    Code.UNDELIVERED: ("undelivered", "the provider could not deliver it"),
    Code.SENDER_INVALID: ("sender_id_invalid", "the sender ID was no longer approved when its minute came"),
    Code.COUNTRY_FORBIDDEN: ("country_forbidden", "this project may not send to this country"),
    Code.OPTED_OUT: ("dnd_blocked", "recipient opted out of this sender's messages"),
    Code.QUIET_HOURS: ("quiet_hours", "it was night where the recipient is"),
    Code.UNRESOLVED: ("unknown", "no provider ever said what became of it"),
    Code.POISON: ("internal_error", "it could not be processed"),
}


def compose(notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the webhook call for an event; None: there is none for its status, or the endpoint did not subscribe."""
    event = EVENTS.get(notification.status)
    if event is None or (notification.listens_to and event not in notification.listens_to):
        return None
    envelope = {
        "id": f"evt_{notification.event}",
        "type": event,
        "created_at": _instant(notification.at),
        "data": _data(notification),
    }
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = {"Content-Type": "application/json", "Robase-Event": event, "Robase-Signature": sign(secrets, now, body)}
    return WebhookPost(headers, body)


def _data(notification: MessageEvent) -> dict[str, Any]:
    word, sentence = failure(notification.error_code)
    return {
        "sms_id": str(notification.message),
        "to": notification.phone,
        "from": notification.sender,
        "status": str(notification.status),
        "segments": notification.segments,
        "provider": notification.carrier,
        "provider_message_id": notification.carrier_ref,
        "carrier": None,
        "error_code": word,
        "error_message": sentence,
        "cost": {"amount_kobo": notification.amount, "currency": notification.currency},
        "test_mode": notification.test,
    }


def failure(code: Code | None) -> tuple[str | None, str | None]:
    """Return the error code and message of a failed message; both None if it did not fail."""
    return (None, None) if code is None else FAILURES.get(code, (str(code), "it was not sent"))


def _instant(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
