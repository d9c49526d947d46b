"""Robase's error responses: `{"error":{"type","message","field"?}}`; clients branch on `type`.

Source: docs.robase.dev/concepts/errors, /sms/sending, /concepts/rate-limits.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

from pipeline.dialects.contract import reply
from schema.api import ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

#: code → HTTP status, error type, and message (None: the refusal's own); what no request can end with is 500
ERRORS: dict[Code, tuple[int, str, str | None]] = {
    Code.MISSING_FIELD: (400, "validation_error", None),
    Code.INVALID_FIELD: (400, "validation_error", None),
    Code.BAD_JSON: (400, "validation_error", None),
    Code.ACCOUNT_UNKNOWN: (401, "authentication_error", "invalid API key"),
    Code.ACCOUNT_SUSPENDED: (403, "permission_error", "this project may not send at present"),
    Code.BODY_TOO_LONG: (400, "validation_error", "body is longer than 1600 characters"),
    Code.BODY_EMPTY: (400, "validation_error", "body is empty"),
    Code.PHONE_INVALID: (400, "phone_invalid", None),
    Code.SENDER_INVALID: (400, "sender_id_invalid", None),
    Code.TEMPLATE_UNKNOWN: (400, "validation_error", "template not found"),
    Code.MERGE_FIELD_MISSING: (400, "validation_error", None),
    Code.SCHEDULE_PAST: (400, "validation_error", "send_at is in the past"),
    Code.SCHEDULE_FAR: (400, "validation_error", "send_at is more than 30 days ahead"),
    Code.VALIDITY_BAD: (400, "validation_error", None),
    Code.TOO_MANY: (400, "validation_error", None),
    Code.NO_ROUTE: (400, "validation_error", "no provider serves this destination"),
    Code.NO_PRICE: (400, "validation_error", "there is no rate for this destination"),
    Code.INSUFFICIENT_FUNDS: (402, "sms_quota_exceeded", "monthly quota and wallet are both exhausted"),
    Code.EXPIRED: (500, "internal_error", None),
    Code.NO_CARRIER_LEFT: (500, "internal_error", None),
    Code.CARRIER_REFUSED: (500, "internal_error", None),
    Code.UNDELIVERED: (500, "internal_error", None),
    Code.COUNTRY_FORBIDDEN: (403, "permission_error", "this project may not send to this country"),
    Code.QUIET_HOURS: (400, "validation_error", "recipient is in quiet hours at that time"),
    Code.UNRESOLVED: (500, "internal_error", None),
    Code.POISON: (500, "internal_error", "internal error"),
    Code.UNAUTHENTICATED: (401, "authentication_error", "invalid API key"),
    Code.FORBIDDEN: (403, "permission_error", "this API key's scope, or its test mode, does not allow that"),
    Code.SOURCE_FORBIDDEN: (403, "permission_error", "this API key may not be used from this address"),
    Code.NOT_FOUND: (404, "not_found", None),
    Code.METHOD_UNKNOWN: (405, "validation_error", None),
    Code.TOO_LARGE: (413, "validation_error", None),
    Code.MEDIA_UNKNOWN: (415, "validation_error", None),
    Code.ENCODING_UNKNOWN: (415, "validation_error", "send the body without a Content-Encoding"),
    Code.MALFORMED: (400, "validation_error", "the request is not valid HTTP"),
    Code.TARGET_TOO_LONG: (414, "validation_error", "the URL is too long"),
    Code.HEADERS_TOO_LARGE: (431, "validation_error", "the headers are too large"),
    Code.CONFLICT: (409, "conflict", None),
    Code.IDEMPOTENCY_CONFLICT: (409, "conflict", None),
    Code.PERSON_UNKNOWN: (404, "not_found", None),
    Code.PHONE_UNVERIFIED: (409, "conflict", None),
    Code.RATE_KEY: (429, "rate_limit_exceeded", "rate limit exceeded"),
    Code.RATE_RECIPIENT: (429, "rate_limit_exceeded", "rate limit exceeded"),
    Code.HARD_CAP: (429, "rate_limit_exceeded", "rate limit exceeded"),
    Code.DND_BLOCKED: (400, "dnd_blocked", "recipient is on the Do-Not-Disturb list"),
    Code.OPTED_OUT: (400, "dnd_blocked", "recipient opted out of this sender's messages"),
    Code.UNAVAILABLE: (503, "internal_error", "try again in a moment"),
    Code.INTERNAL: (500, "internal_error", "internal error"),
}

#: message where the refusal has none
_UNSAID = {Code.PHONE_INVALID: "recipient is not a valid E.164 phone number"}
#: our names of an order's fields → the vendor's
_FIELDS = {"sender": "from", "to": "to", "merge": "body", "country": "country", "recipients": "to"}
_PLACE = re.compile(r"recipients\[\d+\]\.?")


def error(refusal: Refusal) -> dict[str, Any]:
    """Return a refusal as the vendor's error object: `{"type","message","field"?}`."""
    _, kind, words = ERRORS[refusal.code]
    content = {"type": kind, "message": words or refusal.message or _UNSAID.get(refusal.code, "")}
    field = _field(refusal.field)
    return content | {"field": field} if field else content


def refuse(_call: ApiRequest, refusals: Sequence[Refusal], wait: float = 0.0) -> ApiResponse:
    """Return the error response for the first of these refusals; the vendor reports one at a time."""
    first = refusals[0]
    status, _, _ = ERRORS[first.code]
    headers = {"Retry-After": str(max(1, math.ceil(min(wait, 3600.0))))} if status in (429, 503) else None
    return reply(status, {"error": error(first)}, headers)


def _field(ours: str | None) -> str | None:
    if ours is None:
        return None
    name = _PLACE.sub("", ours).split(".")[0]
    return _FIELDS.get(name, name) or None
