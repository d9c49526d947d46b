"""Error responses of Postroad's own API: problem details (RFC 9457), `application/problem+json`.

    {"type": "urn:postroad:problem:phone_invalid", "title": "Not a phone number", "status": 422, "detail", "instance",
     "code": "phone_invalid", "errors": [{"code", "detail", "field"}]}

`errors` has each fault that was found, `code` and `status` are those of the first. `instance` names the request, as the
log of the gateway does.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.dialects.contract import reply
from schema.api import ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

MEDIA = "application/problem+json"
#: most faults that one response lists
MOST = 100

#: code → HTTP status and title; of internal errors nothing else is said
ERRORS: dict[Code, tuple[int, str]] = {
    Code.MISSING_FIELD: (400, "A required field is missing"),
    Code.INVALID_FIELD: (400, "A field is invalid"),
    Code.BAD_JSON: (400, "The body is not valid JSON"),
    Code.MALFORMED: (400, "The request is not valid HTTP"),
    Code.TOO_MANY: (400, "Too many items in one request"),
    Code.UNAUTHENTICATED: (401, "No valid API key"),
    Code.ACCOUNT_UNKNOWN: (401, "No valid API key"),
    Code.INSUFFICIENT_FUNDS: (402, "Quota and wallet do not cover the cost"),
    Code.FORBIDDEN: (403, "The key's scopes, or its test mode, do not allow this"),
    Code.SOURCE_FORBIDDEN: (403, "The key may not be used from this address"),
    Code.ACCOUNT_SUSPENDED: (403, "The account is suspended"),
    Code.COUNTRY_FORBIDDEN: (403, "The account may not send to this country"),
    Code.NOT_FOUND: (404, "Not found"),
    Code.PERSON_UNKNOWN: (404, "No such person"),
    Code.METHOD_UNKNOWN: (405, "The path has no such method"),
    Code.CONFLICT: (409, "The state of the resource does not allow this"),
    Code.PHONE_UNVERIFIED: (409, "The number is not verified"),
    Code.TOO_LARGE: (413, "The body is too large"),
    Code.TARGET_TOO_LONG: (414, "The URL is too long"),
    Code.MEDIA_UNKNOWN: (415, "The body is not application/json"),
    Code.ENCODING_UNKNOWN: (415, "The body is compressed"),
    Code.IDEMPOTENCY_CONFLICT: (422, "The idempotency key was used with another request"),
    Code.BODY_TOO_LONG: (422, "The text is too long"),
    Code.BODY_EMPTY: (422, "The text is empty"),
    Code.PHONE_INVALID: (422, "Not a phone number"),
    Code.SENDER_INVALID: (422, "The sender may not be used"),
    Code.TEMPLATE_UNKNOWN: (422, "No such template"),
    Code.MERGE_FIELD_MISSING: (422, "A merge field has no value"),
    Code.SCHEDULE_PAST: (422, "The send time has passed"),
    Code.SCHEDULE_FAR: (422, "The send time is too far ahead"),
    Code.VALIDITY_BAD: (422, "The validity ends before the send time"),
    Code.NO_ROUTE: (422, "No carrier serves the destination"),
    Code.NO_PRICE: (422, "The destination has no price"),
    Code.QUIET_HOURS: (422, "The recipient is in quiet hours"),
    Code.DND_BLOCKED: (422, "The recipient is on a do-not-disturb list"),
    Code.OPTED_OUT: (422, "The recipient opted out"),
    Code.HEADERS_TOO_LARGE: (431, "The headers are too large"),
    Code.RATE_KEY: (429, "Too many requests with this key"),
    Code.RATE_RECIPIENT: (429, "Too many messages to this number"),
    Code.HARD_CAP: (429, "Too many codes to this number"),
    Code.UNAVAILABLE: (503, "Temporarily unavailable"),
    # outcomes of messages, which no request ends with
    **dict.fromkeys(
        (
            Code.EXPIRED,
            Code.NO_CARRIER_LEFT,
            Code.CARRIER_REFUSED,
            Code.UNDELIVERED,
            Code.UNRESOLVED,
            Code.POISON,
            Code.INTERNAL,
        ),
        (500, "Internal error"),
    ),
}


def refuse(call: ApiRequest, refusals: Sequence[Refusal], wait: float = 0.0) -> ApiResponse:
    """Return the problem details of these refusals; `wait`: seconds after which a retry may succeed."""
    first = refusals[0]
    status, title = ERRORS[first.code]
    content = {
        "type": f"urn:postroad:problem:{first.code}",
        "title": title,
        "status": status,
        "detail": fault(first)["detail"],
        "instance": f"urn:uuid:{call.id}",
        "code": first.code,
        "errors": [fault(each) for each in refusals[:MOST]],
    }
    return reply(status, content, {"Content-Type": MEDIA, **_headers(status, wait)})


def fault(refusal: Refusal) -> dict[str, Any]:
    """Return one fault: `{"code", "detail", "field"}`; `field` is null where the fault is of no field."""
    status, title = ERRORS[refusal.code]
    detail = title if status >= 500 else refusal.message or title
    return {"code": refusal.code, "detail": detail, "field": refusal.field if status < 500 else None}


def _headers(status: int, wait: float) -> Mapping[str, str]:
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="postroad"'}
    return {"Retry-After": str(max(1, math.ceil(min(wait, 3600.0))))} if status in (429, 503) else {}
