"""What Webex Interact's customers are told of their messages: CloudEvents 1.0 (docs.webexinteract.com/reference).

    POST {url}    x-hub-signature: <hex>
    {"specversion": "1.0", "type": "com.interact.messages.sms.status", …, "data": {"status": "delivered", …},
     "correlation_id"?, "transaction_id"}

The vendor names no header for its signature; the name, what is signed (the raw body, by HMAC-SHA256) and how often it
is tried are those of its sister Webex Connect (developers.webexconnect.io/reference/outbound-webhooks).
"""

import hmac
import json
from collections.abc import Container, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from pipeline.dialects.webex import moments
from pipeline.dialects.webex.reading import DOOR
from pipeline.rules import ksuids
from pipeline.rules.segments import BILLED, measure
from schema.door import Posting, Told
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


def compose(told: Told, secrets: Sequence[bytes], now: datetime) -> Posting | None:
    """Return the call that tells it; None: there is no word for it, or the endpoint does not hear it."""
    event = EVENTS.get(told.status)
    if event is None or (told.hears and event not in told.hears):
        return None
    envelope = {
        "specversion": "1.0",
        "type": "com.interact.messages.sms.status",
        "source": "https://api.webexinteract.com/v1/sms",
        "id": ksuids.spell("evt_", told.event, told.at),
        "time": moments.write(told.at),
        "datacontenttype": "application/json",
        "data": _data(told, event),
    }
    if told.correlation_id is not None:
        envelope["correlation_id"] = told.correlation_id
    envelope["transaction_id"] = ksuids.spell("tid_", told.message)
    body = json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return Posting({"Content-Type": "application/json", "x-hub-signature": sign(secrets, body)}, body)


def sign(secrets: Sequence[bytes], body: bytes) -> str:
    """Return the signature of a body by the newest secret."""
    return hmac.new(secrets[0], body, sha256).hexdigest()


def _data(told: Told, event: str) -> dict[str, Any]:
    [parts] = measure([told.body], BILLED[DOOR])
    data = {"status": event, "channel": "sms"}
    if event == EVENTS[Status.SENT]:
        data["code"] = _SUBMITTED
    data |= {
        "phone_number": told.phone,
        "from": told.sender,
        "message_body": told.body,
        "message_parts": str(parts.segments),
    }
    if told.send_at is not None:
        data["scheduled_at"] = moments.write(told.send_at)
    return data
