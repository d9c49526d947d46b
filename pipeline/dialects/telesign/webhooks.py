"""TeleSign's webhooks: delivery reports of messages (developer.telesign.com, transaction-callback-service).

    POST {url}    Authorization: TSA {customer id}:{signature}, and the same again as X-TS-Authorization
    {"status": {"code": 200, "description", "updated_on"}, "submit_timestamp", "errors", "reference_id", "verify", …}

The signature is HMAC-SHA256 of the raw body with the customer's API key.
"""

import json
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

from pipeline.dialects.telesign.errors import ERRORS
from pipeline.dialects.telesign.responses import RESOURCE, UNKNOWN, format_reference, stamp
from pipeline.dialects.telesign.statuses import WORDS, spell
from pipeline.dialects.telesign.webhook_signature import sign
from schema.api import MessageEvent, WebhookPost
from schema.vocabulary import Code, Status

SCHEDULE: tuple[float, ...] = (5, 10, 15)
TIMEOUT: float = 5
SUCCESSES: Container[int] = frozenset({200})

#: statuses that are reported; a message in progress is not
_REPORTED = frozenset({Status.SENT, Status.DELIVERED, Status.FAILED, Status.REJECTED, Status.CANCELLED})


def compose(notification: MessageEvent, secrets: Sequence[bytes], now: datetime) -> WebhookPost | None:
    """Return the webhook call for an event; None: it is not reported, or the endpoint did not subscribe to its code."""
    code = spell(notification.status, notification.error_code)
    if notification.status not in _REPORTED or (notification.listens_to and str(code) not in notification.listens_to):
        return None
    body = json.dumps(_report(notification, code), separators=(",", ":")).encode()
    signature = sign(notification.handle or str(notification.account), secrets, body)
    headers = {
        "Content-Type": "application/json",
        "Authorization": signature,
        "X-TS-Authorization": signature,
    }
    return WebhookPost(headers, body)


def _report(notification: MessageEvent, code: int) -> dict[str, Any]:
    unpaid = ERRORS[Code.INSUFFICIENT_FUNDS]
    owing = notification.error_code is Code.INSUFFICIENT_FUNDS
    return {
        "status": {"code": code, "description": WORDS[code], "updated_on": stamp(notification.at)},
        "submit_timestamp": stamp(notification.created_at),
        "errors": [{"code": unpaid.code, "description": unpaid.words}] if owing else [],
        "reference_id": format_reference(notification.request),
        "verify": {"code_state": UNKNOWN, "code_entered": None},
        "sub_resource": RESOURCE,
    }
