"""Webex Interact's errors, in two shapes.

What is wrong with an SMS request:  400 {"errors": [{"field", "message", "code": 10006}]}
Everything else:                    {"trace_id": "<16 hex>", "errors": [{"message", "field"?}]}

Sources: docs.webexinteract.com/reference/send-sms-api and /senders-api; how the second looks with 401 and 429 is ours.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.dialects.contract import reply
from schema.door import Call, Reply
from schema.message import Refusal
from schema.vocabulary import Code

#: the code of everything that is wrong with a request
VALIDATION = 10006
#: where SMS are asked for, and the dry run
_SMS = re.compile(r"/v1/sms(/test)?/?")
#: faults one answer tells
_MOST = 100


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Words:
    """How a code is told."""

    status: int
    #: None: in the refusal's own words
    message: str | None = None
    #: the vendor's name of the field at fault; None: the refusal's own
    field: str | None = None


_OURS = Words(500, "Internal server error")
_UNAUTHORIZED = Words(401, "Unauthorized")
_FORBIDDEN = Words(403)

ERRORS: dict[Code, Words] = {
    Code.MISSING_FIELD: Words(400),
    Code.INVALID_FIELD: Words(400),
    Code.BAD_JSON: Words(400, "invalid JSON", "body"),
    Code.ACCOUNT_UNKNOWN: _UNAUTHORIZED,
    Code.ACCOUNT_SUSPENDED: Words(403, "The account is suspended."),
    Code.BODY_TOO_LONG: Words(400, "message is longer than 1600 characters.", "message_body"),
    Code.BODY_EMPTY: Words(400, "message is empty once its merge fields are filled.", "message_body"),
    Code.PHONE_INVALID: Words(400, "Invalid phone number or unsupported region.", "to"),
    Code.SENDER_INVALID: Words(400, "sender name is not registered or not verified", "from"),
    Code.TEMPLATE_UNKNOWN: Words(400, "template not found", "template_id"),
    Code.MERGE_FIELD_MISSING: Words(400, None, "to"),
    Code.SCHEDULE_PAST: Words(400, "date must be in the future", "send_at"),
    Code.SCHEDULE_FAR: Words(400, "date cannot be more than 7 days in the future", "send_at"),
    Code.VALIDITY_BAD: Words(400, "date must be in the future when compared to send_at ", "valid_until"),
    Code.TOO_MANY: Words(400, None, "to"),
    Code.NO_ROUTE: Words(400, "Invalid phone number or unsupported region.", "to"),
    Code.NO_PRICE: Words(400, "Invalid phone number or unsupported region.", "to"),
    Code.INSUFFICIENT_FUNDS: Words(400, "Insufficient credit.", "to"),
    Code.EXPIRED: _OURS,
    Code.NO_CARRIER_LEFT: _OURS,
    Code.CARRIER_REFUSED: _OURS,
    Code.UNDELIVERED: _OURS,
    Code.COUNTRY_FORBIDDEN: Words(400, "Invalid phone number or unsupported region.", "to"),
    Code.QUIET_HOURS: Words(400, "The recipient is in quiet hours at that time.", "to"),
    Code.UNRESOLVED: _OURS,
    Code.POISON: _OURS,
    Code.UNAUTHENTICATED: _UNAUTHORIZED,
    Code.FORBIDDEN: _FORBIDDEN,
    Code.SOURCE_FORBIDDEN: _FORBIDDEN,
    Code.NOT_FOUND: Words(404, "Not found"),
    Code.METHOD_UNKNOWN: Words(405, "Method not allowed"),
    Code.TOO_LARGE: Words(413),
    Code.MEDIA_UNKNOWN: Words(415, "Content-Type must be application/json"),
    Code.ENCODING_UNKNOWN: Words(415, "Send the body without a Content-Encoding"),
    Code.MALFORMED: Words(400, "The request is not valid HTTP"),
    Code.TARGET_TOO_LONG: Words(414, "The URL is too long"),
    Code.HEADERS_TOO_LARGE: Words(431, "The headers are too large"),
    Code.CONFLICT: Words(400),
    Code.IDEMPOTENCY_CONFLICT: Words(400),
    Code.PERSON_UNKNOWN: Words(404, "Not found"),
    Code.PHONE_UNVERIFIED: _FORBIDDEN,
    Code.RATE_KEY: Words(429, "Too many requests"),
    Code.RATE_RECIPIENT: Words(429, "Too many requests"),
    Code.HARD_CAP: Words(429, "Too many requests"),
    Code.DND_BLOCKED: Words(400, "The recipient wants no messages of this kind.", "to"),
    Code.OPTED_OUT: Words(400, "The recipient opted out.", "to"),
    Code.UNAVAILABLE: Words(503, "Service unavailable, try again in a moment"),
    Code.INTERNAL: _OURS,
}


def refuse(call: Call, refusals: Sequence[Refusal], wait: float = 0.0) -> Reply:
    """Return the answer that these refusals make; `wait`: seconds after which another try may help."""
    first = ERRORS[refusals[0].code]
    told = [_fault(each) for each in refusals if ERRORS[each.code].status == first.status]
    if first.status == 400 and _SMS.fullmatch(call.path):
        return invalid(told)
    return traced(call, first.status, told, _patience(wait))


def invalid(faults: Iterable[Fault]) -> Reply:
    """Return the answer to an SMS request with these faults: the first hundred of them."""
    told = [{"field": each.field, "message": each.message, "code": VALIDATION} for each in faults]
    return reply(400, {"errors": told[:_MOST]})


def traced(call: Call, status: int, faults: Sequence[Fault], headers: Mapping[str, str] | None = None) -> Reply:
    """Return an answer in the shape of all other errors."""
    told = [{"message": each.message} | ({"field": each.field} if each.field else {}) for each in faults]
    return reply(status, {"trace_id": trace(call), "errors": told[:_MOST]}, headers)


def trace(call: Call) -> str:
    """Return what a call is found by in our log: the last 16 digits of its id."""
    return call.id.hex[-16:]


def _fault(refusal: Refusal) -> Fault:
    words = ERRORS[refusal.code]
    if words.message is not None:
        return Fault(words.field or "", words.message)
    return Fault(words.field or refusal.field or "", refusal.message)


def _patience(wait: float) -> Mapping[str, str]:
    return {"Retry-After": str(math.ceil(wait))} if 0 < wait < math.inf else {}
