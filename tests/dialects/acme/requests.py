"""Parsing of Acme's request bodies (JSON). Pure: bytes in; an order or the first error out."""

import json
from datetime import datetime

from schema.api import ApiKey, ApiRequest
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import Order, Recipient
from schema.vocabulary import Code

#: the operation that sends messages, and the scope of its idempotency keys
OPERATION = "send"
API = f"acme.{OPERATION}"
#: the text is sent unchanged: it is not a template
_BODY, _FIELD = "${text}", "text"


def read_order(call: ApiRequest, key: ApiKey, now: datetime) -> Order | Refusal:
    """Return the order of `POST /messages`, or the first error."""
    try:
        asked = json.loads(call.body)
    except ValueError:
        return Refusal(Code.BAD_JSON, "the body is not JSON")
    if not isinstance(asked, dict):
        return Refusal(Code.INVALID_FIELD, "the body must be an object")
    for name in ("to", "text"):
        value = asked.get(name)
        if not isinstance(value, str) or not value or "\x00" in value:
            return Refusal(Code.MISSING_FIELD, f"{name} is required", name)
    return Order(
        account=key.owner,
        sender=str(key.settings.get("sender", "-")),
        body=_BODY,
        recipients=[Recipient(to=asked["to"], merge={_FIELD: asked["text"]})],
        door=API,
        message_class=MessageClass.TRANSACTIONAL,
        test=key.test,
        submitted_at=now,
    )
