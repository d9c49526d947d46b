"""Robase's OpenAPI 3.1 document: every operation, with every status that it may return."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.dialects.robase import errors, requests, resources, templates
from schema.vocabulary import Encoding, SenderState, Status

Json = dict[str, Any]

#: statuses that any operation may return
_ALWAYS = (400, 401, 403, 413, 414, 415, 429, 431, 500, 503)
#: further statuses of operations with a body
_BODY = (400, 415)

_WHY = {
    400: "Invalid request; `field` names the invalid field.",
    401: "The API key is missing, malformed, revoked or expired.",
    402: "Monthly quota and wallet are both exhausted.",
    403: "The key's scope, its test mode or its allowed addresses do not permit this, or the project may not send.",
    404: "Not found.",
    409: "Conflict: the resource exists already, or its state does not allow this.",
    413: "The request body is too large.",
    414: "The URL is too long.",
    415: "The body is not JSON, or it is compressed.",
    429: "Rate limit exceeded. Retry after the seconds in `Retry-After`.",
    431: "The headers are too large.",
    500: "Internal error.",
    503: "Temporarily unavailable. Retry after the seconds in `Retry-After`.",
}


def document() -> Json:
    """Return the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SMS API, compatible with Robase",
            "version": "1.0",
            "description": "Keys begin with `rb_live_` or `rb_test_`. Live and test keys share templates, sender IDs "
            "and webhooks; only live keys can change them. Unknown fields are ignored.",
        },
        "servers": [{"url": "/robase"}],
        "security": [{"key": []}],
        "paths": _messages() | _templates() | _senders() | _webhooks(),
        "components": {
            "schemas": _asked() | _answered(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": {
                "RetryAfter": {
                    "description": ("Seconds after which to retry."),
                    "schema": {"type": "integer", "minimum": 1},
                },
                "IdempotentReplay": {
                    "description": (
                        "The response of an earlier request with the same Idempotency-Key; nothing was sent again."
                    ),
                    "schema": {"const": "true"},
                },
            },
        },
    }


# Operations ---------------------------------------------------------------------------------------------------


def _messages() -> Json:
    send = _operation("sendSms", "Send an SMS", 202, "Sms", asks="SmsRequest", more=(402,))
    batch = _operation("sendSmsBatch", "Send up to 1,000 SMS", 200, "BatchAnswer", asks="BatchRequest")
    page = _operation("listSms", "List messages, the latest first", 200, "Page", more=(400,))
    for each in (send, batch):
        each["parameters"] = [_IDEMPOTENCY]
    for each, status in ((send, "202"), (send, "402"), (batch, "200")):
        each["responses"][status]["headers"] = {"Idempotent-Replay": {"$ref": "#/components/headers/IdempotentReplay"}}
    page["parameters"] = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": resources.MOST}},
        {"name": "cursor", "in": "query", "schema": {"type": "string", "pattern": "^([0-9a-f]{32})?$"}},
    ]
    return {
        "/v1/sms": {"post": send, "get": page},
        "/v1/sms/batch": {"post": batch},
        "/v1/sms/{id}": _of(get=_operation("getSms", "Get an SMS", 200, "Story", more=(404,))),
        "/v1/sms/{id}/cancel": _of(
            post=_operation("cancelSms", "Cancel a scheduled SMS", 200, "Message", more=(404, 409))
        ),
    }


def _templates() -> Json:
    change = _operation("updateTemplate", "Change a template", 200, "Template", asks="TemplateChange", more=(404,))
    return {
        "/v1/sms-templates": {
            "post": _operation(
                "createTemplate", "Create a template", 201, "Template", asks="TemplateRequest", more=(409,)
            ),
            "get": _operation("listTemplates", "List templates", 200, "Templates"),
        },
        "/v1/sms-templates/{id}": _of(
            get=_operation("getTemplate", "Get a template", 200, "Template", more=(404,)),
            patch=change,
            put=change | {"operationId": "replaceTemplate"},
            delete=_operation("deleteTemplate", "Delete a template", 204, None, more=(404,)),
        ),
        "/v1/sms-templates/{id}/render": _of(
            post=_operation("renderTemplate", "Preview a template", 200, "Rendered", asks="Variables", more=(404,))
        ),
    }


def _senders() -> Json:
    return {
        "/v1/sender-ids": {
            "post": _operation(
                "createSenderId", "Register a sender ID", 201, "SenderId", asks="SenderRequest", more=(409,)
            ),
            "get": _operation("listSenderIds", "List sender IDs", 200, "SenderIds"),
        },
        "/v1/sender-ids/{id}": _of(
            get=_operation("getSenderId", "Get a sender ID", 200, "SenderId", more=(404,)),
            patch=_operation(
                "updateSenderId", "Update a pending sender ID", 200, "SenderId", asks="SenderChange", more=(404, 409)
            ),
        ),
    }


def _webhooks() -> Json:
    return {
        "/v1/webhooks": {
            "post": _operation("createWebhook", "Create a webhook", 201, "Webhook", asks="WebhookRequest", more=(409,)),
            "get": _operation("listWebhooks", "List webhooks", 200, "Webhooks"),
        },
        "/v1/webhooks/{id}": _of(
            get=_operation("getWebhook", "Get a webhook", 200, "Webhook", more=(404,)),
            patch=_operation("updateWebhook", "Change a webhook", 200, "Webhook", asks="WebhookChange", more=(404,)),
            delete=_operation("deleteWebhook", "Delete a webhook", 204, None, more=(404,)),
        ),
        "/v1/webhooks/{id}/rotate-secret": _of(
            post=_operation("rotateWebhookSecret", "Rotate a webhook's secret", 200, "Webhook", more=(404,))
        ),
    }


_ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_IDEMPOTENCY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": (
        "A request with the same key within a week gets the first response, whatever its body, and nothing is sent."
    ),
    "schema": {"type": "string", "minLength": 1, "maxLength": requests.MOST_KEY},
}


def _of(**operations: Json) -> Json:
    return {"parameters": [_ID]} | operations


def _operation(
    name: str, summary: str, status: int, answer: str | None, *, asks: str | None = None, more: Iterable[int] = ()
) -> Json:
    refused = sorted({*_ALWAYS, *more, *(_BODY if asks else ())})
    found: Json = {"operationId": name, "summary": summary}
    if asks:
        found["requestBody"] = {"required": asks != "Variables", "content": _content(asks)}
    well: Json = {"description": "Success."} | ({"content": _content(answer)} if answer else {})
    return found | {"responses": {str(status): well, **{str(each): _refused(each) for each in refused}}}


def _refused(status: int) -> Json:
    found: Json = {"description": _WHY[status], "content": _content("Error")}
    return found | ({"headers": {"Retry-After": _ref("headers/RetryAfter")}} if status in (429, 503) else {})


# Schemas ------------------------------------------------------------------------------------------------------

_TEXT: Json = {"type": "string"}
_UUID: Json = {"type": "string", "format": "uuid"}
_TIME: Json = {"type": "string", "format": "date-time"}
_WORDS: Json = {"type": ["string", "null"], "maxLength": 2000, "pattern": r"^[^\x00]*$"}
_COUNTRY: Json = {"enum": list(requests.COUNTRIES.values())}
_COUNTRIES: Json = {"type": "array", "minItems": 1, "items": _COUNTRY}
_SENDER: Json = {"type": "string", "minLength": 1, "maxLength": 11, "examples": ["ACMERIDE"]}
_EVENTS: Json = {"type": "array", "minItems": 1, "items": {"enum": sorted(resources.RECEIVED)}}
_REGISTRATION = dict.fromkeys(
    ("registered_entity", "registration_doc_url", "use_case", "sample_message", "notes"), _WORDS
)


_EXAMPLE: Json = {"to": "+2348012345678", "from": "ACMERIDE", "body": "Your ride arrives at 9."}


def _asked() -> dict[str, Json]:
    """Return the schemas of requests."""
    message: Json = {
        "to": {"type": "string", "pattern": r"^\+[0-9]{8,15}$", "examples": ["+2348012345678"]},
        "body": {"type": ["string", "null"], "maxLength": templates.MOST_BODY},
        "template": {"type": ["string", "null"], "description": "Slug or id of a template; `body` is then ignored."},
        "variables": {"type": ["object", "null"]},
    }
    when: Json = {
        "country": {"enum": [*requests.COUNTRIES.values(), None]},
        "send_at": {"type": ["string", "null"], "format": "date-time", "description": "At most 30 days ahead."},
    }
    key: Json = {"idempotency_key": {"type": ["string", "null"], "maxLength": requests.MOST_KEY}}
    name = {"type": "string", "minLength": 1, "maxLength": templates.MOST_NAME, "examples": ["Ride arriving"]}
    body = {"type": "string", "minLength": 1, "maxLength": templates.MOST_BODY, "examples": ["In {{.eta}} min."]}
    rows = {"type": "array", "minItems": 1, "maxItems": requests.MOST_ROWS, "items": _open(message | key, ["to"])}
    hook: Json = {"url": _TEXT, "events": _EVENTS, "description": _WORDS, "name": _WORDS}
    return {
        "SmsRequest": _open({"from": _SENDER} | message | when, ["to", "from"]) | {"examples": [_EXAMPLE]},
        "BatchRequest": _open(
            {"from": _SENDER, "messages": rows, "template": message["template"]} | when, ["from", "messages"]
        )
        | {"examples": [{"from": "ACMERIDE", "messages": [{"to": "+2348012345678", "body": _EXAMPLE["body"]}]}]},
        "TemplateRequest": _open({"name": name, "body": body}, ["name", "body"]),
        "TemplateChange": _change({"name": name, "body": body}),
        "Variables": {"type": "object"},
        "SenderRequest": _open(
            {"sender_id": _SENDER, "countries": _COUNTRIES} | _REGISTRATION, ["sender_id", "countries"]
        ),
        "SenderChange": _change({"countries": _COUNTRIES} | _REGISTRATION),
        "WebhookRequest": _open(hook, ["url", "events"]),
        "WebhookChange": _change(hook | {"enabled": {"type": "boolean"}}),
    }


#: a count
_WHOLE: Json = {"type": "integer", "minimum": 0}


def _answered() -> dict[str, Json]:
    """Return the schemas of responses."""
    sms: Json = {
        "id": _UUID,
        "status": {"enum": [str(each) for each in Status]},
        "to": _TEXT,
        "from": _TEXT,
        "body": _TEXT,
        "segments": _WHOLE,
        "encoding": {"enum": [str(each) for each in Encoding]},
        "country": _TEXT,
        "provider": _TEXT,
        "cost": _closed({"amount_kobo": _WHOLE, "currency": _TEXT}),
        "test_mode": {"type": "boolean"},
        "created_at": _TIME,
    }
    more: Json = {
        "provider_message_id": _TEXT,
        "provider_attempts": {"type": "array", "items": _attempt()},
        "error_code": _TEXT,
        "error_message": _TEXT,
    } | dict.fromkeys(("send_at", "sent_at", "delivered_at"), _TIME)
    kinds = sorted({kind for _, kind, _ in errors.ERRORS.values()})
    fault = _closed({"type": {"enum": kinds}, "message": _TEXT, "field": _TEXT}, ["field"])
    row = _closed(
        {"index": _WHOLE, "replayed": {"const": True}, "sms": _ref("schemas/Sms"), "error": fault},
        ["replayed", "sms", "error"],
    )
    return {
        "Error": _closed({"error": fault}),
        "Sms": _closed(sms, ["country"]),
        "Message": _closed(sms | more, [*more, "country", "segments", "encoding"]),
        "Story": _closed(
            {
                "sms": _ref("schemas/Message"),
                "events": {"type": "array", "items": _closed({"type": _TEXT, "created_at": _TIME})},
            }
        ),
        "Page": _closed({"data": _list("Message"), "next_cursor": _TEXT}, ["next_cursor"]),
        "BatchAnswer": _closed(
            {
                "accepted": _WHOLE,
                "failed": _WHOLE,
                "success": {"type": "boolean"},
                "data": {"type": "array", "items": row},
            }
        ),
        **_resources(sms["encoding"]),
    }


def _resources(encoding: Json) -> dict[str, Json]:
    """Return the schemas of templates, sender ids and webhooks."""
    return {
        "Template": _closed(
            {"id": _TEXT, "name": _TEXT, "slug": _TEXT, "body": _TEXT, "variables": {"type": "array", "items": _TEXT}}
        ),
        "Templates": _closed({"data": _list("Template")}),
        "Rendered": _closed({"body": _TEXT, "encoding": encoding, "segments": _WHOLE}),
        "SenderId": _closed(
            {
                "id": _UUID,
                "sender_id": _TEXT,
                "status": {"enum": [str(each) for each in SenderState]},
                "countries": {"type": "array", "items": _TEXT},
                **dict.fromkeys((*_REGISTRATION, "rejection_reason"), _TEXT),
            },
            [*_REGISTRATION, "rejection_reason"],
        ),
        "SenderIds": _closed({"data": _list("SenderId")}),
        "Webhook": _closed(
            {
                "id": _UUID,
                "url": _TEXT,
                "events": {"type": "array", "items": _TEXT},
                "description": _TEXT,
                "enabled": {"type": "boolean"},
                "created_at": _TIME,
                "secret": _TEXT
                | {"description": ("Only in the responses that create the webhook or rotate its secret.")},
            },
            ["description", "secret"],
        ),
        "Webhooks": _closed({"data": _list("Webhook")}),
    }


def _attempt() -> Json:
    may = {"provider_message_id": _TEXT, "error_code": _TEXT, "error_message": _TEXT}
    return _closed({"provider": _TEXT, "attempted_at": _TIME, "ok": {"type": "boolean"}} | may, list(may))


def _open(properties: Mapping[str, Json], required: Iterable[str]) -> Json:
    """Return the schema of an object that has the required fields and may have any other."""
    return {"type": "object", "required": list(required), "properties": dict(properties)}


def _change(properties: Mapping[str, Json]) -> Json:
    """Return the schema of an object whose fields stay unchanged where they are absent or null."""
    return _open({name: {"anyOf": [each, {"type": "null"}]} for name, each in properties.items()}, [])


def _closed(properties: Mapping[str, Json], may: Iterable[str] = ()) -> Json:
    """Return the schema of an object of these fields only, of which those in `may` are optional."""
    required = [name for name in properties if name not in set(may)]
    return _open(properties, required) | {"additionalProperties": False}


def _list(name: str) -> Json:
    return {"type": "array", "items": _ref(f"schemas/{name}")}


def _content(name: str) -> Json:
    return {"application/json": {"schema": _ref(f"schemas/{name}")}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/{name}"}
