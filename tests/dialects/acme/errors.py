"""Acme's errors: `{"error": "invalid_request", "message"}`; one row for each of our codes."""

from collections.abc import Sequence

from pipeline.dialects.contract import reply
from schema.api import ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

_INVALID = (400, "invalid_request")
_OURS = (500, "internal_error")

#: codes that no request should end with are internal errors
ERRORS: dict[Code, tuple[int, str]] = dict.fromkeys(Code, _OURS) | {
    Code.MISSING_FIELD: _INVALID,
    Code.INVALID_FIELD: _INVALID,
    Code.BAD_JSON: _INVALID,
    Code.MALFORMED: _INVALID,
    Code.BODY_TOO_LONG: _INVALID,
    Code.BODY_EMPTY: _INVALID,
    Code.PHONE_INVALID: (400, "invalid_number"),
    Code.SENDER_INVALID: (400, "invalid_sender"),
    Code.DND_BLOCKED: (400, "blocked"),
    Code.OPTED_OUT: (400, "blocked"),
    Code.NO_ROUTE: (400, "not_served"),
    Code.NO_PRICE: (400, "not_served"),
    Code.COUNTRY_FORBIDDEN: (403, "forbidden"),
    Code.UNAUTHENTICATED: (401, "unauthenticated"),
    Code.ACCOUNT_UNKNOWN: (401, "unauthenticated"),
    Code.INSUFFICIENT_FUNDS: (402, "insufficient_funds"),
    Code.ACCOUNT_SUSPENDED: (403, "forbidden"),
    Code.FORBIDDEN: (403, "forbidden"),
    Code.SOURCE_FORBIDDEN: (403, "forbidden"),
    Code.NOT_FOUND: (404, "not_found"),
    Code.METHOD_UNKNOWN: (405, "method_not_allowed"),
    Code.CONFLICT: (409, "conflict"),
    Code.TOO_LARGE: (413, "too_large"),
    Code.TARGET_TOO_LONG: (414, "too_large"),
    Code.MEDIA_UNKNOWN: (415, "invalid_request"),
    Code.ENCODING_UNKNOWN: (415, "invalid_request"),
    Code.HEADERS_TOO_LARGE: (431, "too_large"),
    Code.RATE_KEY: (429, "too_many_requests"),
    Code.RATE_RECIPIENT: (429, "too_many_requests"),
    Code.UNAVAILABLE: (503, "unavailable"),
}


def refuse(_call: ApiRequest, refusals: Sequence[Refusal], wait: float = 0.0) -> ApiResponse:
    """Return the response to a refused call: the first reason."""
    status, word = ERRORS[refusals[0].code]
    headers = {"Retry-After": str(max(1, round(min(wait, 3600.0))))} if status in (429, 503) else None
    return reply(status, {"error": word, "message": "" if status >= 500 else refusals[0].message}, headers)
