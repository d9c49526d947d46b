"""Webex Interact's error responses, in two formats.

Invalid SMS requests:               400 {"errors": [{"field", "message", "code": 10006}]}
All other errors:                   {"trace_id": "<16 hex>", "errors": [{"message", "field"?}]}

Sources: docs.webexinteract.com/reference/send-sms-api and /senders-api; the second format with 401 and 429 is ours.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.dialects.contract import reply
from schema.api import ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

#: the code of every validation error
VALIDATION = 10006
#: paths of the send operation and of the dry run
_SMS = re.compile(r"/v1/sms(/test)?/?")
#: most errors of one response
_MOST = 100


@dataclass(frozen=True, slots=True)
class WebexFault:
    """One error of a request."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class WebexErrorText:
    """The status, message and field of a refusal's error."""

    status: int
    #: None: the refusal's own message
    message: str | None = None
    #: the vendor's name of the invalid field; None: the refusal's own
    field: str | None = None


_OURS = WebexErrorText(500, "Internal server error")
_UNAUTHORIZED = WebexErrorText(401, "Unauthorized")
_FORBIDDEN = WebexErrorText(403)

ERRORS: dict[Code, WebexErrorText] = {
    Code.MISSING_FIELD: WebexErrorText(400),
    Code.INVALID_FIELD: WebexErrorText(400),
    Code.BAD_JSON: WebexErrorText(400, "invalid JSON", "body"),
    Code.ACCOUNT_UNKNOWN: _UNAUTHORIZED,
    Code.ACCOUNT_SUSPENDED: WebexErrorText(403, "The account is suspended."),
    Code.BODY_TOO_LONG: WebexErrorText(400, "message is longer than 1600 characters.", "message_body"),
    Code.BODY_EMPTY: WebexErrorText(400, "message is empty once its merge fields are filled.", "message_body"),
    Code.PHONE_INVALID: WebexErrorText(400, "Invalid phone number or unsupported region.", "to"),
    Code.SENDER_INVALID: WebexErrorText(400, "sender name is not registered or not verified", "from"),
    Code.TEMPLATE_UNKNOWN: WebexErrorText(400, "template not found", "template_id"),
    Code.MERGE_FIELD_MISSING: WebexErrorText(400, None, "to"),
    Code.SCHEDULE_PAST: WebexErrorText(400, "date must be in the future", "send_at"),
    Code.SCHEDULE_FAR: WebexErrorText(400, "date cannot be more than 7 days in the future", "send_at"),
    Code.VALIDITY_BAD: WebexErrorText(400, "date must be in the future when compared to send_at ", "valid_until"),
    Code.TOO_MANY: WebexErrorText(400, None, "to"),
    Code.NO_ROUTE: WebexErrorText(400, "Invalid phone number or unsupported region.", "to"),
    Code.NO_PRICE: WebexErrorText(400, "Invalid phone number or unsupported region.", "to"),
    Code.INSUFFICIENT_FUNDS: WebexErrorText(400, "Insufficient credit.", "to"),
    Code.EXPIRED: _OURS,
    Code.NO_CARRIER_LEFT: _OURS,
    Code.CARRIER_REFUSED: _OURS,
    Code.UNDELIVERED: _OURS,
    Code.COUNTRY_FORBIDDEN: WebexErrorText(400, "Invalid phone number or unsupported region.", "to"),
    Code.QUIET_HOURS: WebexErrorText(400, "The recipient is in quiet hours at that time.", "to"),
    Code.UNRESOLVED: _OURS,
    Code.POISON: _OURS,
    Code.UNAUTHENTICATED: _UNAUTHORIZED,
    Code.FORBIDDEN: _FORBIDDEN,
    Code.SOURCE_FORBIDDEN: _FORBIDDEN,
    Code.NOT_FOUND: WebexErrorText(404, "Not found"),
    Code.METHOD_UNKNOWN: WebexErrorText(405, "Method not allowed"),
    Code.TOO_LARGE: WebexErrorText(413),
    Code.MEDIA_UNKNOWN: WebexErrorText(415, "Content-Type must be application/json"),
    Code.ENCODING_UNKNOWN: WebexErrorText(415, "Send the body without a Content-Encoding"),
    Code.MALFORMED: WebexErrorText(400, "The request is not valid HTTP"),
    Code.TARGET_TOO_LONG: WebexErrorText(414, "The URL is too long"),
    Code.HEADERS_TOO_LARGE: WebexErrorText(431, "The headers are too large"),
    Code.CONFLICT: WebexErrorText(400),
    Code.IDEMPOTENCY_CONFLICT: WebexErrorText(400),
    Code.PERSON_UNKNOWN: WebexErrorText(404, "Not found"),
    Code.PHONE_UNVERIFIED: _FORBIDDEN,
    Code.RATE_KEY: WebexErrorText(429, "Too many requests"),
    Code.RATE_RECIPIENT: WebexErrorText(429, "Too many requests"),
    Code.HARD_CAP: WebexErrorText(429, "Too many requests"),
    Code.DND_BLOCKED: WebexErrorText(400, "The recipient wants no messages of this kind.", "to"),
    Code.OPTED_OUT: WebexErrorText(400, "The recipient opted out.", "to"),
    Code.UNAVAILABLE: WebexErrorText(503, "Service unavailable, try again in a moment"),
    Code.INTERNAL: _OURS,
}


def refuse(call: ApiRequest, refusals: Sequence[Refusal], wait: float = 0.0) -> ApiResponse:
    """Return the error response for these refusals; `wait`: seconds after which a retry may succeed."""
    first = ERRORS[refusals[0].code]
    content = [_fault(each) for each in refusals if ERRORS[each.code].status == first.status]
    if first.status == 400 and _SMS.fullmatch(call.path):
        return invalid(content)
    return traced(call, first.status, content, _retry_after(wait))


def invalid(faults: Iterable[WebexFault]) -> ApiResponse:
    """Return the error response to an SMS request: the first hundred of these errors."""
    content = [{"field": each.field, "message": each.message, "code": VALIDATION} for each in faults]
    return reply(400, {"errors": content[:_MOST]})


def traced(
    call: ApiRequest, status: int, faults: Sequence[WebexFault], headers: Mapping[str, str] | None = None
) -> ApiResponse:
    """Return an error response in the format of all other errors."""
    content = [{"message": each.message} | ({"field": each.field} if each.field else {}) for each in faults]
    return reply(status, {"trace_id": trace(call), "errors": content[:_MOST]}, headers)


def trace(call: ApiRequest) -> str:
    """Return the trace id of a request: the last 16 digits of its id, which is in the log."""
    return call.id.hex[-16:]


def _fault(refusal: Refusal) -> WebexFault:
    words = ERRORS[refusal.code]
    if words.message is not None:
        return WebexFault(words.field or "", words.message)
    return WebexFault(words.field or refusal.field or "", refusal.message)


def _retry_after(wait: float) -> Mapping[str, str]:
    return {"Retry-After": str(math.ceil(wait))} if 0 < wait < math.inf else {}
