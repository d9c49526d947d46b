"""Webex Interact's OpenAPI 3.1 document: every operation, with every status that it may return."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pipeline.dialects.webex import responses, searches
from pipeline.dialects.webex.errors import VALIDATION
from pipeline.dialects.webex.requests import LONGEST
from schema.order import MAX_RECIPIENTS

Json = dict[str, Any]

#: statuses that any operation may return
_ALWAYS = (400, 401, 403, 413, 414, 415, 429, 431, 500, 503)

_WHY = {
    400: "Invalid request; `errors` names the invalid fields.",
    401: "The API key is missing, revoked or expired.",
    403: "The key's scopes or allowed addresses do not permit this, or the account is suspended.",
    404: "Not found.",
    413: "The request body is too large.",
    414: "The URL is too long.",
    415: "The body is not JSON, or it is compressed.",
    429: "Rate limit exceeded. Retry after the seconds in `Retry-After`.",
    431: "The headers are too large.",
    500: "Internal error. Quote the `trace_id` when you report it.",
    503: "Temporarily unavailable. Retry after the seconds in `Retry-After`.",
}


def document() -> Json:
    """Return the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SMS API, compatible with Webex Interact",
            "version": "1.0",
            "description": "Unknown fields are ignored. A trailing slash in a path is ignored.",
        },
        "servers": [{"url": "/webex"}],
        "security": [{"key": []}],
        "paths": {
            "/v1/sms": {"post": _send("sendSms", "Send a text to up to 10,000 numbers")},
            "/v1/sms/test": {"post": _send("testSms", "Dry run: validate a request; nothing is sent or charged")},
            "/campaigns/v1/scheduled": {"post": _search("searchScheduled")},
            "/v1/sms/scheduled/search": {"post": _search("searchScheduledSms")},
            "/campaigns/v1/cancel/{id}": {"parameters": [_id("aps_")], "delete": _cancel_request("cancelScheduled")},
            "/v1/sms/scheduled/{id}": {"parameters": [_id("aps_")], "delete": _cancel_request("cancelScheduledSms")},
            "/identity/v1/account": {"get": _show_account()},
            "/assets/v1/senders": {"get": _list_senders()},
            "/assets/v1/senders/{id}": {
                "parameters": [_id("ssd_")],
                "get": _show_sender(),
                "delete": _delete_sender(),
            },
        },
        "components": {"schemas": _schemas(), "securitySchemes": _security(), "headers": _headers()},
    }


# Operations ---------------------------------------------------------------------------------------------------


def _id(prefix: str) -> Json:
    example = f"{prefix}2rLDt24N3TpQklpvfI6qN9rwHa0"
    schema = {"type": "string", "minLength": 1}
    return {"name": "id", "in": "path", "required": True, "schema": schema, "example": example}


def _send(name: str, words: str) -> Json:
    return {
        "operationId": name,
        "summary": words,
        "description": (
            "Each number gets a transaction id or an error. Not idempotent: repeating the request sends again."
        ),
        "requestBody": _body("Sms"),
        "responses": {
            "200": _response("The accepted and the refused numbers.", "Sent"),
            **_errors(()),
            "400": _response(_WHY[400], "Invalid"),
        },
    }


def _search(name: str) -> Json:
    return {
        "operationId": name,
        "summary": "Find scheduled requests by id or by dates",
        "requestBody": _body("Search"),
        "responses": {"200": _response("A page of scheduled requests.", "ScheduledPage"), **_errors((400, 415))},
    }


def _cancel_request(name: str) -> Json:
    return {
        "operationId": name,
        "summary": "Cancel the messages of a request that are still scheduled",
        "responses": {"204": {"description": "Cancelled."}, **_errors((400, 404))},
    }


def _show_account() -> Json:
    return {
        "operationId": "getAccount",
        "summary": "Get the account and its balance",
        "responses": {"200": _response("The account.", "Account"), **_errors(())},
    }


def _list_senders() -> Json:
    whole = {"type": "integer", "minimum": 1}
    return {
        "operationId": "listSenders",
        "summary": "List the account's senders",
        "parameters": [
            {"name": "page_number", "in": "query", "schema": whole | {"maximum": searches.LAST_PAGE, "default": 1}},
            {
                "name": "page_size",
                "in": "query",
                "schema": whole | {"maximum": searches.MOST, "default": searches.SIZE},
            },
        ],
        "responses": {"200": _response("A page of senders.", "SenderPage"), **_errors((400,))},
    }


def _show_sender() -> Json:
    return {
        "operationId": "getSender",
        "summary": "Get a sender",
        "responses": {"200": _response("The sender.", "Sender"), **_errors((404,))},
    }


def _delete_sender() -> Json:
    return {
        "operationId": "deleteSender",
        "summary": "Delete a sender",
        "responses": {"204": {"description": "Deleted."}, **_errors((404,))},
    }


# Schemas ------------------------------------------------------------------------------------------------------

_EXAMPLE: Json = {"phone": ["+447400123456"], "merge_fields": {"name": "Ann"}}
_TEXT: Json = {"type": "string"}
_INSTANT: Json = {"type": "string", "format": "date-time"}
_DATE: Json = {
    "type": ["string", "null"],
    "pattern": "^([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}.*)?$",
    "examples": ["2027-01-18T02:20:20Z"],
    "description": "ISO 8601; UTC if no time zone is given.",
}


def _schemas() -> Json:
    return _asked() | _answered() | _refused()


def _asked() -> Json:
    # JSON numbers are accepted in place of strings
    word = {"type": ["string", "number", "null"]}
    fields = {
        "type": ["object", "null"],
        "additionalProperties": {"type": ["string", "number"], "maxLength": LONGEST},
        "description": "Values for `${name}` in the text. A merge field without a value stays as it is.",
    }
    number = {"type": ["string", "number"], "examples": ["+447741632543"], "description": "E.164"}
    to = {
        "type": "object",
        "required": ["phone"],
        "properties": {
            "phone": {"type": "array", "minItems": 1, "maxItems": MAX_RECIPIENTS, "items": number},
            "merge_fields": fields | {"description": "Overrides `global_merge_fields`."},
            "correlation_id": word | {"maxLength": 255, "pattern": r"^[^\x00-\x1f\x7f]*$"},
        },
    }
    sms = {
        "type": "object",
        "required": ["from", "to"],
        "properties": {
            "message_body": word
            | {"maxLength": LONGEST, "description": ("The text; required unless `template_id` is given.")},
            "template_id": word
            | {"description": ("Id (`stp_…`) or slug of a template; required unless `message_body` is given.")},
            "from": {"type": ["string", "number"], "minLength": 1, "description": "A sender of the account."},
            "to": {"type": "array", "minItems": 1, "maxItems": MAX_RECIPIENTS, "items": to},
            "send_at": _DATE | {"description": "At most 7 days ahead. If absent, the message is sent immediately."},
            "schedule_at": _DATE | {"description": "Alias of `send_at`, which takes precedence."},
            "valid_until": _DATE | {"description": "At most 3 days after the time of sending."},
            "global_merge_fields": fields,
        },
        "examples": [{"message_body": "Hello ${name}", "from": "Acme", "to": [_EXAMPLE]}],
    }
    return {"Sms": sms, "Search": _search_asked()}


def _search_asked() -> Json:
    word = {"type": ["string", "null"]}
    dates = {f"{name}_at_{side}": _DATE for name in ("created", "scheduled") for side in ("start", "end")}
    criteria = {
        "id": word | {"examples": ["aps_33NFW8JbaqWOoTZln2t4wQUIqGr"]},
        **dates,
        "name": word | {"description": "Requests of this API have no name: a name matches none."},
        "status": _some_of(responses.STATUSES.values()),
        "request_types": _some_of(searches.TYPES),
    }
    sort = {
        "sort_by": {"enum": [*searches.SORTS, "", None]},
        "sort_order": {"enum": [*searches.ORDERS, "", None], "default": "DESC"},
    }
    whole = {"type": ["integer", "string", "null"], "minimum": 1, "pattern": "^[0-9]+$"}
    page = {"page_number": whole, "page_size": whole | {"maximum": searches.MOST, "default": searches.SIZE}}
    parts = {"filter": criteria, "sort": sort, "page": page}
    nested = {name: {"type": ["object", "null"], "properties": part} for name, part in parts.items()}
    return {
        "type": "object",
        "properties": nested | criteria | sort | page,
        "description": "Search by id, or by a date range with both ends. Fields may also be given at the top level.",
        "examples": [{"filter": {"id": criteria["id"]["examples"][0]}}],
    }


def _some_of(words: Iterable[str]) -> Json:
    return {"type": ["array", "null"], "items": {"enum": list(words)}}


def _answered() -> Json:
    message = {
        "transaction_id": _ksuid("tid_"),
        "to": _TEXT,
        "status": {"const": "queued"},
        "code": {"const": responses.QUEUED},
    }
    codes = sorted({*responses.NUMBERS.values(), VALIDATION})
    error = {"to": _TEXT, "status": {"const": "error"}, "code": {"enum": codes}, "message": _TEXT}
    sender = {"id": _ksuid("ssd_"), "name": _TEXT, "status": {"enum": list(responses.SENDERS.values())}}
    scheduled = {
        "id": _ksuid("aps_"),
        "name": _TEXT,
        "type": {"const": "API"},
        "request_type": {"const": "API"},
        "status": {"enum": list(responses.STATUSES.values())},
        "sender_name": _TEXT,
        "message_body": _TEXT,
        "scheduled_at": _INSTANT,
        "created_at": _INSTANT,
        "updated_at": _INSTANT,
    }
    account = {
        **dict.fromkeys(["account_uid", "account_status", "home_region", "time_zone", "default_currency"], _TEXT),
        "account_balance": {"type": "number"},
        "created": _INSTANT,
    }
    return {
        "Sent": _closed(
            {"request_id": _ksuid("aps_"), "messages": _array(_closed(message)), "errors": _array(_closed(error))}
        ),
        "Account": _closed(account),
        "Sender": _closed(sender),
        "SenderPage": _paged(_closed(sender)),
        "ScheduledPage": _paged(_closed(scheduled)),
    }


def _refused() -> Json:
    fault = {"field": _TEXT, "message": _TEXT, "code": {"const": VALIDATION}}
    traced = _closed({"message": _TEXT}, {"field": _TEXT})
    trace = {"type": "string", "pattern": "^[0-9a-f]{16}$"}
    return {
        "Invalid": _closed({"errors": _array(_closed(fault))}),
        "Errors": _closed({"trace_id": trace, "errors": _array(traced)}),
    }


def _ksuid(prefix: str) -> Json:
    return {"type": "string", "pattern": f"^{prefix}[0-9A-Za-z]{{27}}$"}


def _array(items: Json) -> Json:
    return {"type": "array", "items": items}


def _paged(item: Json) -> Json:
    count = {"type": "integer", "minimum": 0}
    paging = _closed(dict.fromkeys(["current_page", "total_items", "total_pages"], count))
    return _closed({"paging": paging, "items": _array(item)})


def _closed(properties: Mapping[str, Json], optional: Mapping[str, Json] | None = None) -> Json:
    """Return the schema of an object of these fields only; the `optional` ones may be absent."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": {**properties, **(optional or {})},
        "additionalProperties": False,
    }


def _security() -> Json:
    return {"key": {"type": "apiKey", "in": "header", "name": "X-AUTH-KEY"}}


def _headers() -> Json:
    return {"RetryAfter": {"description": "Seconds after which to retry.", "schema": {"type": "integer", "minimum": 1}}}


def _body(schema: str) -> Json:
    return {"required": True, "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}}


def _response(words: str, schema: str, *, retry_after: bool = False) -> Json:
    found: Json = {
        "description": words,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}},
    }
    return found | {"headers": {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}} if retry_after else found


def _errors(more: Sequence[int]) -> Json:
    return {
        str(status): _response(_WHY[status], "Errors", retry_after=status in (429, 503))
        for status in sorted({*_ALWAYS, *more})
    }
