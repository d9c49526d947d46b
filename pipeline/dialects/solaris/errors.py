"""Solaris' error responses: docs.solarisgroup.com/api-reference/errors; for tokens RFC 6749, section 5.2."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pipeline.dialects.contract import reply
from schema.api import ApiRequest, ApiResponse
from schema.message import Refusal
from schema.vocabulary import Code

#: path of the token endpoint
TOKENS = "/oauth2/token"


@dataclass(frozen=True, slots=True)
class SolarisErrorRow:
    """One row of the vendor's table of errors."""

    status: int
    code: str
    title: str
    #: "": the detail depends on the request
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SolarisFault:
    """One error of an error response."""

    words: SolarisErrorRow
    #: replaces the table's
    detail: str = ""
    #: the invalid field, and what is wrong with it
    field: str = ""
    message: str = ""


#: a field is invalid
INVALID = SolarisErrorRow(400, "invalid_model", "Invalid Model")
#: fields contradict each other, or the state does not allow it
UNFIT = SolarisErrorRow(400, "validation_error", "Validation Error")
WRONG_TYPE = SolarisErrorRow(400, "type_error", "Type Error")
TOKEN_REQUIRED = SolarisErrorRow(401, "token_required", "Token Required", "Token is required.")
INVALID_TOKEN = SolarisErrorRow(401, "invalid_token", "Invalid Token", "Token is expired, revoked or malformed.")
UNAUTHORIZED = SolarisErrorRow(403, "unauthorized_action", "Unauthorized Action", "Unauthorized action is not allowed.")
#: the same, with a detail that depends on the request
FORBIDDEN = SolarisErrorRow(403, "unauthorized_action", "Unauthorized Action")
INVALID_TAN = SolarisErrorRow(403, "invalid_tan", "Invalid TAN")
PARTNER = SolarisErrorRow(403, "unauthorized_partner", "Unauthorized Partner", "The partner's account is not active.")
NOT_FOUND = SolarisErrorRow(404, "model_not_found", "Model Not Found")
#: a person has one number at most
TAKEN = SolarisErrorRow(409, "record_not_unique", "Record Not Unique")
CONFLICT = SolarisErrorRow(409, "validation_error", "Validation Error")
TOO_OFTEN = SolarisErrorRow(429, "sms_request_rate_limit_exceeded", "Sms Request Rate Limit Exceeded")

#: the error of each refusal, also of those that no operation here produces
ERRORS: dict[Code, SolarisErrorRow] = {
    Code.MISSING_FIELD: INVALID,
    Code.INVALID_FIELD: INVALID,
    Code.BAD_JSON: SolarisErrorRow(400, "invalid_json", "Invalid JSON", "The request body is not valid JSON."),
    Code.ACCOUNT_UNKNOWN: PARTNER,
    Code.ACCOUNT_SUSPENDED: PARTNER,
    Code.BODY_TOO_LONG: INVALID,
    Code.BODY_EMPTY: INVALID,
    Code.PHONE_INVALID: UNFIT,
    Code.SENDER_INVALID: SolarisErrorRow(
        403, "unauthorized_action", "Unauthorized Action", "The partner has no sender to use."
    ),
    Code.TEMPLATE_UNKNOWN: UNFIT,
    Code.MERGE_FIELD_MISSING: UNFIT,
    Code.SCHEDULE_PAST: UNFIT,
    Code.SCHEDULE_FAR: UNFIT,
    Code.VALIDITY_BAD: UNFIT,
    Code.TOO_MANY: UNFIT,
    Code.NO_ROUTE: UNFIT,
    Code.NO_PRICE: UNFIT,
    Code.INSUFFICIENT_FUNDS: FORBIDDEN,
    Code.EXPIRED: UNFIT,
    Code.NO_CARRIER_LEFT: UNFIT,
    Code.CARRIER_REFUSED: UNFIT,
    Code.UNDELIVERED: UNFIT,
    Code.COUNTRY_FORBIDDEN: FORBIDDEN,
    Code.QUIET_HOURS: FORBIDDEN,
    Code.UNRESOLVED: UNFIT,
    Code.POISON: UNFIT,
    Code.UNAUTHENTICATED: INVALID_TOKEN,
    Code.FORBIDDEN: UNAUTHORIZED,
    Code.SOURCE_FORBIDDEN: UNAUTHORIZED,
    Code.NOT_FOUND: NOT_FOUND,
    Code.METHOD_UNKNOWN: SolarisErrorRow(405, "method_not_allowed", "Method Not Allowed"),
    Code.TOO_LARGE: SolarisErrorRow(413, "request_too_large", "Request Too Large"),
    Code.MEDIA_UNKNOWN: SolarisErrorRow(
        415, "unsupported_media_type", "Unsupported Media Type", "Send application/json."
    ),
    Code.ENCODING_UNKNOWN: SolarisErrorRow(
        415, "unsupported_media_type", "Unsupported Media Type", "Send the body without a content encoding."
    ),
    Code.MALFORMED: SolarisErrorRow(400, "bad_request", "Bad Request", "The request is not valid HTTP."),
    Code.TARGET_TOO_LONG: SolarisErrorRow(414, "uri_too_long", "URI Too Long", "The URL is too long."),
    Code.HEADERS_TOO_LARGE: SolarisErrorRow(
        431, "header_fields_too_large", "Request Header Fields Too Large", "The headers are too large."
    ),
    Code.CONFLICT: CONFLICT,
    Code.IDEMPOTENCY_CONFLICT: CONFLICT,
    Code.PERSON_UNKNOWN: SolarisErrorRow(400, "Invalid person Id", "Bad Request", "Unable to fetch the person Id"),
    Code.PHONE_UNVERIFIED: SolarisErrorRow(
        409, "validation_error", "mobile number not verified", "The person's mobile number is unverified"
    ),
    Code.RATE_KEY: SolarisErrorRow(429, "rate_limit_exceeded", "Rate Limit Exceeded", "Too many requests."),
    Code.RATE_RECIPIENT: TOO_OFTEN,
    Code.HARD_CAP: TOO_OFTEN,
    Code.DND_BLOCKED: FORBIDDEN,
    Code.OPTED_OUT: FORBIDDEN,
    Code.UNAVAILABLE: SolarisErrorRow(503, "generic_error", "Generic Error", "The service is unavailable. Try again."),
    Code.INTERNAL: SolarisErrorRow(500, "generic_error", "Generic Error", "There was an error."),
}

#: status and error of the token endpoint (RFC 6749, section 5.2); other refusals are `_REQUEST`
TOKEN_ERRORS: dict[Code, tuple[int, str]] = {
    Code.UNAUTHENTICATED: (401, "invalid_client"),
    Code.ACCOUNT_SUSPENDED: (400, "unauthorized_client"),
    Code.SOURCE_FORBIDDEN: (400, "unauthorized_client"),
    Code.METHOD_UNKNOWN: (405, "invalid_request"),
    Code.TOO_LARGE: (413, "invalid_request"),
    Code.ENCODING_UNKNOWN: (415, "invalid_request"),
    Code.TARGET_TOO_LONG: (414, "invalid_request"),
    Code.HEADERS_TOO_LARGE: (431, "invalid_request"),
    Code.RATE_KEY: (429, "temporarily_unavailable"),
    Code.UNAVAILABLE: (503, "temporarily_unavailable"),
    Code.INTERNAL: (500, "server_error"),
}
_REQUEST = (400, "invalid_request")

#: headers of token responses (RFC 6749, section 5.1)
UNSTORED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_CHALLENGES = {401: {"WWW-Authenticate": "Bearer"}}


def refuse(call: ApiRequest, refusals: Sequence[Refusal], wait: float) -> ApiResponse:
    """Return the error response for these refusals."""
    if is_token_call(call):
        status, error = TOKEN_ERRORS.get(refusals[0].code, _REQUEST)
        return token_error(call, status, error, refusals[0].message, wait)
    return answer(call, [_fault(refusal) for refusal in refusals], wait)


def answer(call: ApiRequest, faults: Sequence[SolarisFault], wait: float = 0.0) -> ApiResponse:
    """Return the vendor's error response for these errors; the first one's status is the response's."""
    status = faults[0].words.status
    errors = [
        {
            "id": str(call.id),
            "status": fault.words.status,
            "code": fault.words.code,
            "title": fault.words.title,
            "detail": fault.detail or fault.words.detail,
            "source": {"field": fault.field, "message": fault.message},
        }
        for fault in faults
    ]
    return reply(status, {"errors": errors}, {**_CHALLENGES.get(status, {}), **_retry_after(wait)})


def too_often(call: ApiRequest, phone: str, wait: float) -> ApiResponse:
    """Return the error response for too many SMS to a number; `wait`: seconds after which a retry may succeed."""
    detail = f"SMS request rate limit exceeded for the number: {phone}"
    return answer(call, [SolarisFault(TOO_OFTEN, detail)], wait)


def token_error(call: ApiRequest, status: int, error: str, words: str, wait: float = 0.0) -> ApiResponse:
    """Return an error response of the token endpoint."""
    content = {"error": error, "error_description": words}
    challenge = {"WWW-Authenticate": 'Basic realm="solaris"'} if status == 401 else {}
    return reply(status, content, {**UNSTORED, **challenge, **_retry_after(wait)})


def is_token_call(call: ApiRequest) -> bool:
    """Return whether a request is for the token endpoint."""
    return call.path.rstrip("/") == TOKENS


def _fault(refusal: Refusal) -> SolarisFault:
    words = ERRORS[refusal.code]
    return SolarisFault(words, "" if words.detail else refusal.message)


def _retry_after(wait: float) -> Mapping[str, str]:
    return {"Retry-After": str(math.ceil(wait))} if 0 < wait < math.inf else {}
