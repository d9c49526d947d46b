"""What TeleSign's customers are told of their messages (developer.telesign.com, transaction-callback-service).

    POST {url}    Authorization: TSA {customer id}:{signature}, and the same again as X-TS-Authorization
    {"status": {"code": 200, "description", "updated_on"}, "submit_timestamp", "errors", "reference_id", "verify", …}

Signed is the raw body, by HMAC-SHA256 with the customer's API key.
"""

import json
from collections.abc import Container, Sequence
from datetime import datetime
from typing import Any

from pipeline.dialects.telesign.answers import RESOURCE, UNKNOWN, spelt, stamp
from pipeline.dialects.telesign.errors import ERRORS
from pipeline.dialects.telesign.signing import sign
from pipeline.dialects.telesign.statuses import WORDS, spell
from schema.door import Posting, Told
from schema.vocabulary import Code, Status

SCHEDULE: tuple[float, ...] = (5, 10, 15)
TIMEOUT: float = 5
SUCCESSES: Container[int] = frozenset({200})

#: what a delivery report is made of; that a message is on its way is no report
_REPORTED = frozenset({Status.SENT, Status.DELIVERED, Status.FAILED, Status.REJECTED, Status.CANCELLED})


def compose(told: Told, secrets: Sequence[bytes], now: datetime) -> Posting | None:
    """Return the call that tells it; None: it is not reported, or the endpoint does not hear its status code."""
    code = spell(told.status, told.error_code)
    if told.status not in _REPORTED or (told.hears and str(code) not in told.hears):
        return None
    body = json.dumps(_report(told, code), separators=(",", ":")).encode()
    signature = f"TSA {told.handle or told.account}:{sign(secrets[0], body).decode()}"
    headers = {
        "Content-Type": "application/json",
        "Authorization": signature,
        "X-TS-Authorization": signature,
    }
    return Posting(headers, body)


def _report(told: Told, code: int) -> dict[str, Any]:
    unpaid = ERRORS[Code.INSUFFICIENT_FUNDS]
    owing = told.error_code is Code.INSUFFICIENT_FUNDS
    return {
        "status": {"code": code, "description": WORDS[code], "updated_on": stamp(told.at)},
        "submit_timestamp": stamp(told.created_at),
        "errors": [{"code": unpaid.code, "description": unpaid.words}] if owing else [],
        "reference_id": spelt(told.request),
        "verify": {"code_state": UNKNOWN, "code_entered": None},
        "sub_resource": RESOURCE,
    }
