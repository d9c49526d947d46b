"""TeleSign's error responses: HTTP status, status code and error code."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipeline.dialects.contract import reply
from pipeline.dialects.telesign.responses import format_reference, status_of
from schema.api import ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code


@dataclass(frozen=True, slots=True)
class TelesignError:
    """One row of the vendor's table of errors."""

    http: int
    #: the vendor's status code
    status: int
    code: int
    words: str


@dataclass(frozen=True, slots=True)
class TelesignFault:
    """An error of a request; its text may quote the request, so it is for the client only."""

    code: Code
    words: str


_BAD_REQUEST = TelesignError(400, 500, -40006, "Bad request")
_BAD_PARAMETER = TelesignError(400, 500, -10001, "Invalid Request")
_BAD_NUMBER = TelesignError(400, 500, -10001, "Invalid Request: PhoneNumber Parameter")
_BAD_TEXT = TelesignError(400, 500, -10001, "Invalid Request: Template Parameter")
_BAD_CUSTOMER = TelesignError(401, 501, -30000, "Invalid Customer ID.")
_NOT_ENABLED = TelesignError(401, 501, -20002, "This product is not enabled for this Customer ID.")
UNAVAILABLE = TelesignError(500, 500, -90001, "System Unavailable, please try again later.")
#: HTTP status of GET and PUT instead of 500
_AWAY = 503

ERRORS = {
    Code.MISSING_FIELD: _BAD_PARAMETER,
    Code.INVALID_FIELD: _BAD_PARAMETER,
    Code.BAD_JSON: _BAD_REQUEST,
    Code.ACCOUNT_UNKNOWN: _BAD_CUSTOMER,
    Code.ACCOUNT_SUSPENDED: TelesignError(401, 501, -30001, "Customer ID Account Suspended."),
    Code.BODY_TOO_LONG: _BAD_TEXT,
    Code.BODY_EMPTY: _BAD_TEXT,
    Code.PHONE_INVALID: _BAD_NUMBER,
    Code.SENDER_INVALID: _NOT_ENABLED,
    Code.TEMPLATE_UNKNOWN: _BAD_TEXT,
    Code.MERGE_FIELD_MISSING: _BAD_TEXT,
    Code.SCHEDULE_PAST: _BAD_REQUEST,
    Code.SCHEDULE_FAR: _BAD_REQUEST,
    Code.VALIDITY_BAD: _BAD_REQUEST,
    Code.TOO_MANY: _BAD_REQUEST,
    Code.NO_ROUTE: _BAD_NUMBER,
    Code.NO_PRICE: _BAD_NUMBER,
    Code.INSUFFICIENT_FUNDS: TelesignError(400, 500, -10030, "Insufficient funds in prepaid wallet."),
    Code.EXPIRED: TelesignError(404, 599, -10004, "Reference ID expired."),
    Code.NO_CARRIER_LEFT: UNAVAILABLE,
    Code.CARRIER_REFUSED: UNAVAILABLE,
    Code.UNDELIVERED: UNAVAILABLE,
    Code.COUNTRY_FORBIDDEN: _BAD_NUMBER,
    Code.QUIET_HOURS: _BAD_NUMBER,
    Code.UNRESOLVED: UNAVAILABLE,
    Code.POISON: UNAVAILABLE,
    Code.UNAUTHENTICATED: _BAD_CUSTOMER,
    Code.FORBIDDEN: _NOT_ENABLED,
    Code.SOURCE_FORBIDDEN: TelesignError(401, 500, -10009, "Invalid source IP address"),
    Code.NOT_FOUND: TelesignError(404, 500, -10001, "CustomerID/ReferenceID not found"),
    Code.METHOD_UNKNOWN: TelesignError(405, 500, -40006, "Bad request"),
    Code.TOO_LARGE: TelesignError(413, 500, -40006, "Bad request"),
    Code.MEDIA_UNKNOWN: TelesignError(415, 500, -40006, "Bad request"),
    Code.ENCODING_UNKNOWN: TelesignError(415, 500, -40006, "Bad request"),
    Code.MALFORMED: _BAD_REQUEST,
    Code.TARGET_TOO_LONG: TelesignError(414, 500, -40006, "Bad request"),
    Code.HEADERS_TOO_LARGE: TelesignError(431, 500, -40006, "Bad request"),
    #: CONFLICT is a nonce that was used before: there is no other conflict
    Code.IDEMPOTENCY_CONFLICT: UNAVAILABLE,
    Code.CONFLICT: TelesignError(401, 501, -30012, "'x-ts-nonce' header value has been used recently"),
    Code.PERSON_UNKNOWN: _BAD_NUMBER,
    Code.PHONE_UNVERIFIED: TelesignError(
        401, 500, -10033, "phone_number has not been verified for this trial account."
    ),
    Code.RATE_KEY: TelesignError(429, 500, -40007, "Rate Limit Exceeded"),
    Code.RATE_RECIPIENT: TelesignError(429, 500, -40007, "Rate Limit Exceeded"),
    Code.HARD_CAP: TelesignError(429, 500, -40008, "Verify SMS exceeded transaction hard cap. Request denied."),
    Code.DND_BLOCKED: _BAD_NUMBER,
    Code.OPTED_OUT: _BAD_NUMBER,
    Code.UNAVAILABLE: UNAVAILABLE,
    Code.INTERNAL: UNAVAILABLE,
}


#: errors of a request's authentication; unknown, revoked and suspended keys are refused by the stage
MISSING = TelesignError(401, 501, -30004, "Missing required 'Authorization' header")
MALFORMED = TelesignError(401, 501, -30005, "Required 'Authorization' header is not in the correct format")
FORGED = TelesignError(401, 501, -30006, "Invalid Signature")
UNDATED = TelesignError(401, 501, -30007, "Missing required 'Date' or 'x-ts-date' header")
#: 500 among 501s, as in the vendor's table
OTHERWISE_SIGNED = TelesignError(401, 500, -30008, "Invalid 'x-ts-auth-method' header.")
MISDATED = TelesignError(401, 501, -30009, "'Date' or 'x-ts-date' header is not RFC822 compliant")
UNTIMELY = TelesignError(401, 501, -30010, "'Date' or 'x-ts-date' header is not within tolerable range")
NONCE_LENGTH = TelesignError(401, 501, -30011, "'x-ts-nonce' header value is either too long or too short")
#: a completion of a reference that is not a valid id
UNCOMPLETABLE = TelesignError(401, 501, -30013, "Invalid ReferenceID for Verify Completion")
WRONG_KEY = TelesignError(401, 501, -30015, "Invalid API Key.")


def refuse(call: ApiRequest, refusals: Sequence[Refusal], wait: float = 0.0) -> ApiResponse:
    """Return the error response for refusals; the first decides the HTTP status.

    The vendor never sends Retry-After; we do if we are unavailable, in whole seconds.
    """
    answer = respond(call, [_found(call, ERRORS[each.code]) for each in refusals])
    if refusals[0].code is not Code.UNAVAILABLE or not 0 < wait < math.inf:
        return answer
    return replace(answer, headers={**answer.headers, "Retry-After": str(math.ceil(wait))})


def refuse_invalid(call: ApiRequest, faults: Sequence[TelesignFault]) -> ApiResponse:
    """Return the error response for an invalid request."""
    lines = [ERRORS[each.code] for each in faults]
    return respond(call, [replace(line, words=each.words) for line, each in zip(lines, faults, strict=True)])


def respond(call: ApiRequest, errors: Sequence[TelesignError], signature_string: str | None = None) -> ApiResponse:
    """Return an error response; the first error decides the HTTP status and the status code."""
    first = errors[0]
    http = _AWAY if first is UNAVAILABLE and call.method != "POST" else first.http
    reference, resource = _identity(call, http)
    content: dict[str, Any] = {
        "reference_id": reference,
        "sub_resource": resource,
        "errors": [{"code": each.code, "description": each.words} for each in errors],
    }
    if signature_string is not None:
        content["signature_string"] = signature_string
    return reply(http, {**content, "status": status_of(first.status, call.at)})


#: paths that name a transaction
_NAMED = re.compile(r"/v1/verify/(?:completion/)?([^/]+)/?")


def _found(call: ApiRequest, error: TelesignError) -> TelesignError:
    # the path names no transaction, so this is a bad request, not an unknown transaction
    if error is ERRORS[Code.NOT_FOUND] and not _NAMED.fullmatch(call.path):
        return replace(error, code=_BAD_REQUEST.code, words=_BAD_REQUEST.words)
    return error


def _identity(call: ApiRequest, http: int) -> tuple[str | None, str | None]:
    """Return the reference id and sub resource of an error response, as in the vendor's examples, which differ."""
    if call.method == "POST":
        return format_reference(call.id), "sms"
    named = _NAMED.fullmatch(call.path)
    if named is None or http == 401 or http >= 500:
        return None, None
    return named[1], ""
