"""TeleSign's OpenAPI 3.1 document: every operation, with every status that it may return."""

from collections.abc import Iterable
from typing import Any

from pipeline.dialects.telesign import statuses
from pipeline.dialects.telesign.errors import ERRORS
from pipeline.dialects.telesign.requests import UCIDS

Json = dict[str, Any]

_WHY = {
    400: "A parameter is missing or invalid, the host of `callback_url` is not allowed, or the funds are insufficient.",
    401: (
        "Authentication failed, or the customer is not authorized. `signature_string` is the string that should "
        "have been signed. `signature_string` says what should have been signed."
    ),
    404: "The transaction does not exist, or is older than twelve hours.",
    413: "The request body is too large.",
    414: "The URL is too long.",
    415: "The body is not a form, or it is compressed.",
    429: "Rate limit exceeded, or too many messages to one number.",
    431: "The headers are too large.",
    500: "Internal error, or temporarily unavailable; retry.",
    503: "Internal error, or temporarily unavailable; retry.",
}
#: statuses that any operation may return
_ALWAYS = (400, 401, 413, 414, 415, 429, 431)

_STATES = ("VALID", "INVALID", "UNKNOWN", "EXPIRED", "MAX_ATTEMPTS_EXCEEDED")


def document() -> Json:
    """Return the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SMS verification API, compatible with TeleSign SMS Verify",
            "version": "1.0",
            "description": "Clients should check `status.code` and `errors.code`, not the HTTP status. "
            "Unknown fields are ignored.",
        },
        "servers": [{"url": "/telesign"}],
        "security": [{"basic": []}, {"digest": []}],
        "paths": {
            "/v1/verify/sms": {"post": _send()},
            "/v1/verify/{reference_id}": {"parameters": [_REFERENCE], "get": _status()},
            "/v1/verify/completion/{reference_id}": {"parameters": [_REFERENCE], "put": _complete()},
        },
        "components": {"schemas": _schemas(), "securitySchemes": _SECURITY},
    }


# Operations ---------------------------------------------------------------------------------------------------

_REFERENCE: Json = {
    "name": "reference_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[0-9A-Fa-f]{32}$"},
    "example": "0123456789ABCDEF0123456789ABCDEF",
}


def _send() -> Json:
    form = {"application/x-www-form-urlencoded": {"schema": {"$ref": "#/components/schemas/Form"}}}
    return {
        "operationId": "sendSMSVerifyCode",
        "summary": "Send an SMS with a verification code",
        "description": "Not idempotent: repeating the request sends another message.",
        "requestBody": {"required": True, "content": form},
        "responses": {
            "200": _response(("The message was accepted for sending."), "Transaction"),
            **_errors((400, 415, 500)),
        },
    }


def _status() -> Json:
    return {
        "operationId": "getSMSVerifyStatus",
        "summary": "Get a message's status, and check a code",
        "parameters": [
            {
                "name": "verify_code",
                "in": "query",
                "description": "The code to check, as the user entered it. A wrong code counts as an attempt.",
                "schema": {"type": "string"},
                "example": "57244",
            }
        ],
        "responses": {"200": _response("The status.", "Transaction"), **_errors((400, 404, 503))},
    }


def _complete() -> Json:
    return {
        "operationId": "reportSMSVerifyCompletion",
        "summary": "Report that the user completed the verification",
        "responses": {"200": _response("Recorded.", "Completion"), **_errors((404, 503))},
    }


# Schemas ------------------------------------------------------------------------------------------------------


def _schemas() -> Json:
    return {
        "Form": {"type": "object", "required": ["phone_number"], "properties": _fields()},
        "Transaction": _closed(
            reference_id=_ID,
            sub_resource={"const": "sms"},
            errors={"type": "array", "maxItems": 0},
            status=_standing(),
            verify=_closed(code_state={"enum": list(_STATES)}, code_entered={"type": "string"}),
        ),
        "Completion": _closed(
            reference_id=_ID,
            subresource={"const": "sms"},
            errors={"type": "array", "maxItems": 0},
            status=_standing(),
        ),
        "Refusal": _refusal(),
        "Error": _closed(code={"enum": sorted(_ERROR_CODES)}, description={"type": "string"}),
    }


def _fields() -> Json:
    text = {"type": "string"}
    short = text | {"maxLength": 40}
    switch = text | {"pattern": _or_nothing("[Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee]")}
    return {
        "phone_number": text | {"pattern": "^[ +]*[0-9][0-9 ]*$", "examples": ["15558675309"]},
        "ucid": text | {"pattern": _or_nothing("|".join(UCIDS)), "description": "The use case."},
        "originating_ip": text | {"description": "The user's own IPv4 or IPv6 address."},
        "language": short
        | {"description": ("Language of the predefined text; ignored with a `template`. Unknown languages: English.")},
        "verify_code": text
        | {"pattern": _or_nothing("[0-9]{3,7}"), "description": ("The code to send; generated if absent.")},
        "template": text
        | {
            "maxLength": 1600,
            "description": (
                "`$$CODE$$`, `$$AMOUNT$$` and `$$PAYEE$$` `$$CODE$$`, `$$AMOUNT$$` and `$$PAYEE$$` are replaced; "
                "then at most 160 characters, or as set for the key."
            ),
        },
        "sender_id": text | {"maxLength": 20, "description": "One of the account's sender ids; others are ignored."},
        "is_primary": switch | {"default": "true"},
        "dlt_template_id": short,
        "dlt_entity_id": short,
        "transaction_amount": short | {"description": "Requires `transaction_payee`."},
        "transaction_payee": short | {"description": "Requires `transaction_amount`."},
        "sim_swap_check": switch,
        "callback_url": text
        | {"maxLength": 2048, "description": ("URL to which delivery reports of this message are posted.")},
    }


def _refusal() -> Json:
    found = _closed(
        reference_id={"type": ["string", "null"]},
        sub_resource={"enum": ["sms", "", None]},
        errors={"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Error"}},
        status=_standing(),
    )
    found["properties"]["signature_string"] = {"type": "string"}
    return found


def _standing() -> Json:
    return _closed(
        updated_on={"type": "string", "format": "date-time"},
        code={"enum": sorted(statuses.WORDS)},
        description={"type": "string"},
    )


_ID: Json = {"type": "string", "pattern": "^[0-9A-F]{32}$"}
#: the error codes of refusals, and those of authentication
_ERROR_CODES = {each.code for each in ERRORS.values()} | {*range(-30011, -30003), -30013, -30015}
_SECURITY: Json = {
    "basic": {"type": "http", "scheme": "basic", "description": "Customer id and API key."},
    "digest": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`TSA {customer id}:{signature}`, HMAC-SHA256 with the API key; with `x-ts-auth-method`, "
        "`x-ts-nonce` and `Date` or `x-ts-date`.",
    },
}


def _or_nothing(pattern: str) -> str:
    """Return the pattern of a field that counts as absent when it is blank."""
    return rf"^(\s*|{pattern})$"


def _closed(**properties: Json) -> Json:
    """Return the schema of an object of these fields only."""
    required = list(properties)
    return {"type": "object", "required": required, "properties": properties, "additionalProperties": False}


def _response(words: str, schema: str) -> Json:
    return {
        "description": words,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }


def _errors(more: Iterable[int]) -> Json:
    return {str(status): _response(_WHY[status], "Refusal") for status in sorted({*_ALWAYS, *more})}
