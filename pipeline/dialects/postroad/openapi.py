"""The OpenAPI 3.1 document of Postroad's own API: every operation, with every status that it may return."""

from collections.abc import Iterable
from typing import Any

from pipeline.dialects.postroad import key_settings, requests
from pipeline.dialects.postroad.errors import MEDIA
from pipeline.dialects.postroad.openapi_schemas import requested, responded
from schema.vocabulary import Status

Json = dict[str, Any]

#: statuses that any operation may return
_ALWAYS = (400, 401, 403, 413, 414, 415, 429, 431, 500, 503)

_WHY = {
    400: "Invalid request; `errors` has every fault and its field.",
    401: "The API key is missing, malformed or revoked.",
    402: "Quota and wallet do not cover the cost; nothing was sent.",
    403: "The key's scopes, its test mode or its networks do not allow this, or the account may not send.",
    404: "Not found.",
    409: "Conflict: the state of the resource does not allow this.",
    413: "The request body is too large.",
    414: "The URL is too long.",
    415: "The body is not JSON, or it is compressed.",
    422: "No recipient can be sent the message, or the idempotency key was used with another request.",
    429: "Rate limit exceeded. Retry after the seconds in `Retry-After`.",
    431: "The headers are too large.",
    500: "Internal error.",
    503: "Temporarily unavailable. Retry after the seconds in `Retry-After`.",
}

_DESCRIPTION = """
Keys begin with `pr_live_` or `pr_test_`. Messages of a test key never reach a real carrier and cost nothing.
Errors are problem details (RFC 9457); programs branch on `code`. Unknown fields and parameters are errors.
Times are ISO 8601 in UTC, money is a decimal string with its currency, ids are strings.
Lists are paged: pass `next_cursor` as `cursor` until it is null. With a filter that little fits, a page may have few
items, or none, and still a `next_cursor`.
""".strip()


def document() -> Json:
    """Return the OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Postroad", "version": "1.0", "description": _DESCRIPTION},
        "servers": [{"url": "/postroad"}],
        "security": [{"key": []}],
        "paths": _messages() | _inbound() | _templates() | _account() | _webhook_endpoints(),
        "webhooks": {
            "message": {"post": _webhook("A message changed its status", "MessageEvent")},
            "inbound": {"post": _webhook("An inbound message was received", "InboundEvent")},
        },
        "components": {
            "schemas": requested() | responded(),
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "headers": {
                "RetryAfter": {
                    "description": "Seconds after which to retry.",
                    "schema": {"type": "integer", "minimum": 1},
                },
                "IdempotentReplayed": {
                    "description": "The response of an earlier request with this Idempotency-Key; nothing was sent.",
                    "schema": {"const": "true"},
                },
            },
        },
    }


# Operations -----------------------------------------------------------------------------------------------------


def _messages() -> Json:
    send = _operation(
        "sendMessages",
        "Send a message to up to 10,000 recipients",
        202,
        "SendResult",
        asks="SendRequest",
        scope=key_settings.SEND,
        more=(402, 422),
    )
    send["parameters"] = [_IDEMPOTENCY]
    for status in ("202", "402", "422"):
        send["responses"][status]["headers"] = {"Idempotent-Replayed": _ref("headers/IdempotentReplayed")}
    page = _operation("listMessages", "List messages, the latest first", 200, "MessagePage", scope=key_settings.READ)
    page["parameters"] = [
        *_paging("created"),
        _parameter("status", {"enum": [str(each) for each in Status]}),
        _parameter("sender", {"type": "string"}),
        _parameter("request", {"type": "string", "format": "uuid"}),
        _parameter("test", {"enum": ["true", "false"]}, "With a live key: tests instead of live messages."),
    ]
    get = _operation("getMessage", "Get a message", 200, "Message", scope=key_settings.READ, more=(404,))
    cancel = _operation(
        "cancelMessage", "Cancel a scheduled message", 200, "Message", scope=key_settings.SEND, more=(404, 409)
    )
    request = _operation(
        "getRequest",
        "Get a request, with its messages by status",
        200,
        "Request",
        scope=key_settings.READ,
        more=(404,),
    )
    return {
        "/v1/messages": {"post": send, "get": page},
        "/v1/messages/{id}": _of(get=get),
        "/v1/messages/{id}/cancel": _of(post=cancel),
        "/v1/requests/{id}": _of(get=request),
    }


def _inbound() -> Json:
    scope = key_settings.READ_INBOUND
    page = _operation("listInbound", "List inbound messages, the latest first", 200, "InboundPage", scope=scope)
    page["parameters"] = list(_paging("received"))
    return {"/v1/inbound": {"get": page}}


def _templates() -> Json:
    read, write = key_settings.READ_TEMPLATES, key_settings.WRITE_TEMPLATES
    create = _operation(
        "createTemplate", "Create a template", 201, "Template", asks="NewTemplate", scope=write, more=(409,)
    )
    replace = _operation(
        "replaceTemplate",
        "Replace a template's text; messages keep the text they were made with",
        200,
        "Template",
        asks="TemplateBody",
        scope=write,
        more=(404,),
    )
    return {
        "/v1/templates": {
            "post": create,
            "get": _operation("listTemplates", "List templates", 200, "TemplatePage", scope=read),
        },
        "/v1/templates/{id}": _of(
            get=_operation("getTemplate", "Get a template by slug or id", 200, "Template", scope=read, more=(404,)),
            put=replace,
            delete=_operation("deleteTemplate", "Delete a template", 204, None, scope=write, more=(404,)),
        ),
    }


def _account() -> Json:
    get = _operation("getBalance", "Get the balance", 200, "Balance", scope=key_settings.READ_BALANCE)
    return {"/v1/balance": {"get": get}}


def _webhook_endpoints() -> Json:
    scope = key_settings.WRITE_WEBHOOKS
    create = _operation(
        "createWebhook", "Create a webhook endpoint", 201, "Webhook", asks="NewWebhook", scope=scope, more=(409,)
    )
    change = _operation(
        "updateWebhook", "Change a webhook endpoint", 200, "Webhook", asks="WebhookChange", scope=scope, more=(404,)
    )
    return {
        "/v1/webhooks": {
            "post": create,
            "get": _operation("listWebhooks", "List webhook endpoints", 200, "WebhookPage", scope=scope),
        },
        "/v1/webhooks/{id}": _of(
            get=_operation("getWebhook", "Get a webhook endpoint", 200, "Webhook", scope=scope, more=(404,)),
            patch=change,
            delete=_operation("deleteWebhook", "Delete a webhook endpoint", 204, None, scope=scope, more=(404,)),
        ),
        "/v1/webhooks/{id}/rotate-secret": _of(
            post=_operation("rotateWebhookSecret", "Rotate its secret", 200, "Webhook", scope=scope, more=(404,))
        ),
    }


def _webhook(summary: str, name: str) -> Json:
    """Return the description of a call that webhook endpoints get."""
    headers = {
        "webhook-id": "Id of the event, the same at each try.",
        "webhook-timestamp": "Unix time of the try.",
        "webhook-signature": "`v1,` and base64 of HMAC-SHA256 of `{webhook-id}.{webhook-timestamp}.{body}`; after a "
        "rotation of the secret a second one follows, after a blank.",
    }
    return {
        "operationId": name[0].lower() + name[1:],
        "summary": summary,
        "description": "By Standard Webhooks (www.standardwebhooks.com).",
        "parameters": [
            {"name": name, "in": "header", "required": True, "description": words, "schema": {"type": "string"}}
            for name, words in headers.items()
        ],
        "requestBody": {"required": True, "content": _content(name)},
        "responses": {"2XX": {"description": "Received. Any other answer is tried again, for a day and a half."}},
    }


# Building blocks ------------------------------------------------------------------------------------------------

_ID: Json = {"name": "id", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_IDEMPOTENCY: Json = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A request with the same key within a week gets the response of the first, and nothing is sent "
    "again; with other content it is refused (422).",
    "schema": {"type": "string", "minLength": 1, "maxLength": requests.MOST_KEY},
}


def _parameter(name: str, schema: Json, description: str = "") -> Json:
    found: Json = {"name": name, "in": "query", "schema": schema}
    return found | {"description": description} if description else found


def _paging(when: str) -> Iterable[Json]:
    """Yield the parameters of a list that is paged, and limited by time."""
    yield _parameter("limit", {"type": "integer", "minimum": 1, "maximum": requests.MOST, "default": requests.PAGE})
    yield _parameter("cursor", {"type": "string"}, "The `next_cursor` of the page before.")
    yield _parameter("since", {"type": "string", "format": "date-time"}, f"Only those {when} at this time or later.")
    yield _parameter("until", {"type": "string", "format": "date-time"}, f"Only those {when} before this time.")


def _of(**operations: Json) -> Json:
    return {"parameters": [_ID]} | operations


def _operation(
    name: str,
    summary: str,
    status: int,
    answer: str | None,
    *,
    scope: str,
    asks: str | None = None,
    more: Iterable[int] = (),
) -> Json:
    found: Json = {"operationId": name, "summary": summary, "description": f"Scope: `{scope}`."}
    if asks:
        found["requestBody"] = {"required": True, "content": _content(asks)}
    well: Json = {"description": "Success."} | ({"content": _content(answer)} if answer else {})
    refused = sorted({*_ALWAYS, *more})
    return found | {"responses": {str(status): well, **{str(each): _refused(each) for each in refused}}}


def _refused(status: int) -> Json:
    found: Json = {"description": _WHY[status], "content": {MEDIA: {"schema": _ref("schemas/Problem")}}}
    return found | ({"headers": {"Retry-After": _ref("headers/RetryAfter")}} if status in (429, 503) else {})


def _content(name: str) -> Json:
    return {"application/json": {"schema": _ref(f"schemas/{name}")}}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/{name}"}
