"""Solaris' OpenAPI 3.1 document: every operation, with every status that it may return."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.dialects.solaris import requests, responses
from pipeline.dialects.solaris.errors import TOKEN_ERRORS, TOKENS

Json = dict[str, Any]

#: text without NUL that neither begins nor ends with white space
_TRIMMED = r"^[^\s\x00]([^\x00]*[^\s\x00])?$"
_NUMBER_ID = r"^[0-9a-f]{32}cmno$"

#: statuses that any operation with a token may return
_ALWAYS = (400, 401, 403, 413, 414, 415, 429, 431, 500, 503)
#: further statuses of operations with a body
_BODY = (415,)

_WHY = {
    400: "Invalid request; `errors` names the invalid fields.",
    401: "The access token is missing, expired, revoked or malformed.",
    403: "The partner is not authorized to do this.",
    404: "Not found.",
    409: "Conflict: the resource exists already, or its state does not allow this.",
    413: "The request body is too large.",
    414: "The URL is too long.",
    415: "The body is not JSON, or it is compressed.",
    429: (
        "Too many requests, or too many SMS to one number. Rate limit exceeded, or too many SMS to one number. "
        "Retry after the seconds in `Retry-After`."
    ),
    431: "The headers are too large.",
    500: "Internal error. Quote `errors.id` when you report it.",
    503: "Temporarily unavailable. Retry after the seconds in `Retry-After`.",
}


def document() -> Json:
    """Return the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SMS API, compatible with Solaris",
            "version": "1.0",
            "description": "Informational SMS to persons whose number is verified. Unknown fields are ignored.",
        },
        "servers": [{"url": "/solaris"}],
        "security": [{"partner": []}],
        "paths": {
            TOKENS: {"post": _token()},
            "/v1/sms/messages": {"post": _send()},
            "/v1/persons": {"post": _create_person()},
            "/v1/persons/{person_id}": {"parameters": [_PERSON], "get": _show_person()},
            "/v1/persons/{person_id}/mobile_number": {
                "parameters": [_PERSON],
                "post": _create_number(),
                "get": _show_number(),
                "delete": _delete_number(),
            },
            "/v1/persons/{person_id}/mobile_number/authorize": {"parameters": [_PERSON], "post": _authorize()},
            "/v1/persons/{person_id}/mobile_number/confirm": {"parameters": [_PERSON], "post": _confirm()},
        },
        "components": {"schemas": _schemas(), "securitySchemes": _security(), "headers": _headers()},
    }


# Operations ---------------------------------------------------------------------------------------------------

_PERSON: Json = {
    "name": "person_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
    "example": "dc1a6812a14f6cc338cd084208535bcdcper",
}


def _token() -> Json:
    refused = sorted({status for status, _ in TOKEN_ERRORS.values()} - {405})
    return {
        "operationId": "createToken",
        "summary": "Get an access token (RFC 6749, client credentials)",
        "security": [{"client": []}, {}],
        "requestBody": _body("TokenRequest", media="application/x-www-form-urlencoded"),
        "responses": {
            "200": _response("A token.", "Token"),
            **{
                str(status): _response(("An error response (RFC 6749, section 5.2)."), "TokenError")
                for status in refused
            },
        },
    }


def _send() -> Json:
    return {
        "operationId": "sendMessage",
        "summary": "Send an SMS to a person's verified number",
        "description": "A request with the same `idempotency_key` gets the first response, and nothing is sent.",
        "requestBody": _body("Message"),
        "responses": {
            "202": _response(("Accepted, now or earlier with the same `idempotency_key`."), "Accepted"),
            **_errors((409, *_BODY)),
        },
    }


def _create_person() -> Json:
    return {
        "operationId": "createPerson",
        "summary": "Create a person; only the new id is stored",
        "requestBody": _body("AnyPerson"),
        "responses": {"201": _response("Registered.", "Person"), **_errors(_BODY)},
    }


def _show_person() -> Json:
    return {
        "operationId": "getPerson",
        "summary": "Get a person",
        "responses": {"200": _response("The person.", "Person"), **_errors((404,))},
    }


def _create_number() -> Json:
    return {
        "operationId": "createMobileNumber",
        "summary": "Add a person's mobile number; a person can have one",
        "requestBody": _body("NumberRequest"),
        "responses": {"201": _response("Registered, not verified yet.", "Number"), **_errors((404, 409, *_BODY))},
    }


def _show_number() -> Json:
    return {
        "operationId": "getMobileNumber",
        "summary": "Get a person's number",
        "responses": {"200": _response("The number.", "Number"), **_errors((404,))},
    }


def _delete_number() -> Json:
    return {
        "operationId": "deleteMobileNumber",
        "summary": "Delete a person's mobile number",
        "requestBody": _body("OptionalNumber", required=False),
        "responses": {"200": _response("The deleted number.", "Number"), **_errors((404, *_BODY))},
    }


def _authorize() -> Json:
    return {
        "operationId": "authorizeMobileNumber",
        "summary": "Send a verification code to a person's number; earlier codes become invalid",
        "requestBody": _body("NumberRequest"),
        "responses": {"201": _response("The code was accepted for sending.", "Number"), **_errors((404, 409, *_BODY))},
    }


def _confirm() -> Json:
    return {
        "operationId": "confirmMobileNumber",
        "summary": "Verify a person's number with the code that was sent to it",
        "requestBody": _body("Confirmation"),
        "responses": {"201": _response("Verified.", "Number"), **_errors((404, *_BODY))},
    }


# Schemas ------------------------------------------------------------------------------------------------------


def _schemas() -> Json:
    text = {"type": "string", "pattern": _TRIMMED}
    number = text | {
        "examples": [requests.SANDBOX_NUMBER],
        "description": ("E.164; white space, `-`, `_` and `/` are ignored."),
    }
    code = text | {"examples": [requests.SANDBOX_CODE]}
    return {
        "Message": _open(
            {
                "person_id": text | {"examples": ["dc1a6812a14f6cc338cd084208535bcdcper"]},
                "text": text | {"maxLength": requests.LONGEST, "examples": ["Your statement is ready."]},
                "purpose": text | {"examples": ["Account statements"]},
                "idempotency_key": {"type": "string", "format": "uuid", "pattern": f"^{requests.UUID_FORM}$"},
            }
        ),
        "Accepted": _closed({"id": _UUID, "message": {"const": responses.ACCEPTED}}),
        "AnyPerson": {"type": "object"},
        "Person": _closed({"id": {"type": "string"}}),
        "NumberRequest": _open({"number": number}),
        "OptionalNumber": {"type": "object", "properties": {"number": number | {"type": ["string", "null"]}}},
        "Confirmation": _open({"number": number, "token": code}),
        "Number": _closed(
            {
                "id": {"type": "string", "pattern": _NUMBER_ID},
                "number": {"type": "string", "pattern": r"^\+[1-9][0-9]{6,14}$"},
                "verified": {"type": "boolean"},
            }
        ),
        **_error_schemas(),
        "TokenRequest": {
            "type": "object",
            "required": ["grant_type"],
            "properties": {
                "grant_type": {"const": "client_credentials"},
                "scope": {"const": "partners"},
                "client_id": {"type": "string"},
                "client_secret": {"type": "string"},
            },
        },
        "Token": _closed(
            {
                "access_token": {"type": "string"},
                "token_type": {"const": "Bearer"},
                "expires_in": {"type": "integer", "minimum": 1},
            }
        ),
        "TokenError": _closed({"error": {"type": "string"}, "error_description": {"type": "string"}}),
    }


def _error_schemas() -> Json:
    return {
        "Errors": _closed(
            {"errors": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Error"}}}
        ),
        "Error": _closed(
            {
                "id": _UUID | {"description": "Id of the request; quote it when you report an internal error."},
                "status": {"type": "integer"},
                "code": {"type": "string"},
                "title": {"type": "string"},
                "detail": {"type": "string"},
                "source": _closed({"field": {"type": "string"}, "message": {"type": "string"}}),
            }
        ),
    }


_UUID: Json = {"type": "string", "format": "uuid"}


def _security() -> Json:
    return {
        "partner": {
            "type": "http",
            "scheme": "bearer",
            "description": (f"An access token from `POST /oauth2/token`. {TOKENS}`."),
        },
        "client": {"type": "http", "scheme": "basic", "description": "The partner's client id and secret."},
    }


def _headers() -> Json:
    return {"RetryAfter": {"description": "Seconds after which to retry.", "schema": {"type": "integer", "minimum": 1}}}


def _open(properties: Mapping[str, Json]) -> Json:
    """Return the schema of an object that has these fields and may have others."""
    return {"type": "object", "required": list(properties), "properties": dict(properties)}


def _closed(properties: Mapping[str, Json]) -> Json:
    """Return the schema of an object of these fields only."""
    return _open(properties) | {"additionalProperties": False}


def _body(schema: str, *, required: bool = True, media: str = "application/json") -> Json:
    return {"required": required, "content": {media: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _response(words: str, schema: str, *, retry_after: bool = False) -> Json:
    found: Json = {
        "description": words,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
    return found | {"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}} if retry_after else found


def _errors(more: Iterable[int]) -> Json:
    return {
        str(status): _response(_WHY[status], "Errors", retry_after=status in (429, 503))
        for status in sorted({*_ALWAYS, *more})
    }
