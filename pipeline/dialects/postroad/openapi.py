"""The OpenAPI 3.1 document of Postroad's own API: every operation, with every status that it may return."""

from typing import Any

from pipeline.dialects.postroad import key_settings, openapi_campaigns
from pipeline.dialects.postroad.openapi_blocks import IDEMPOTENCY, content, of, operation, paging, parameter, ref
from pipeline.dialects.postroad.openapi_schemas import requested, responded
from schema.vocabulary import Status

Json = dict[str, Any]

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
        "paths": _messages()
        | _inbound()
        | _templates()
        | _account()
        | _webhook_endpoints()
        | openapi_campaigns.paths(),
        "webhooks": {
            "message": {"post": _webhook("A message changed its status", "MessageEvent")},
            "inbound": {"post": _webhook("An inbound message was received", "InboundEvent")},
            "campaign": {"post": _webhook("A campaign came into another state", "CampaignEvent")},
        },
        "components": {
            "schemas": requested() | responded() | openapi_campaigns.schemas(),
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
    send = operation(
        "sendMessages",
        "Send a message to up to 10,000 recipients",
        202,
        "SendResult",
        asks="SendRequest",
        scope=key_settings.SEND,
        more=(402, 422),
    )
    send["parameters"] = [IDEMPOTENCY]
    for status in ("202", "402", "422"):
        send["responses"][status]["headers"] = {"Idempotent-Replayed": ref("headers/IdempotentReplayed")}
    page = operation(
        "listMessages", "List messages, the latest first", 200, "MessagePage", scope=key_settings.READ, more=(404,)
    )
    page["parameters"] = [
        *paging("created"),
        parameter("status", {"enum": [str(each) for each in Status]}),
        parameter("sender", {"type": "string"}),
        parameter("request", {"type": "string", "format": "uuid"}),
        parameter("campaign", {"type": "string"}, "Id or name."),
        parameter("to", {"type": "string", "maxLength": 64}, "E.164; without a plus a number of `country`."),
        parameter("country", {"type": "string", "pattern": "^[A-Z]{2}$"}, "ISO 3166-1 alpha-2, of `to`."),
        parameter("correlation_id", {"type": "string"}),
        parameter("test", {"enum": ["true", "false"]}, "With a live key: tests instead of live messages."),
    ]
    get = operation("getMessage", "Get a message", 200, "Message", scope=key_settings.READ, more=(404,))
    cancel = operation(
        "cancelMessage", "Cancel a scheduled message", 200, "Message", scope=key_settings.SEND, more=(404, 409)
    )
    request = operation(
        "getRequest",
        "Get a request, with its messages by status",
        200,
        "Request",
        scope=key_settings.READ,
        more=(404,),
    )
    return {
        "/v1/messages": {"post": send, "get": page},
        "/v1/messages/{id}": of(get=get),
        "/v1/messages/{id}/cancel": of(post=cancel),
        "/v1/requests/{id}": of(get=request),
    }


def _inbound() -> Json:
    scope = key_settings.READ_INBOUND
    page = operation("listInbound", "List inbound messages, the latest first", 200, "InboundPage", scope=scope)
    page["parameters"] = list(paging("received"))
    return {"/v1/inbound": {"get": page}}


def _templates() -> Json:
    read, write = key_settings.READ_TEMPLATES, key_settings.WRITE_TEMPLATES
    create = operation(
        "createTemplate", "Create a template", 201, "Template", asks="NewTemplate", scope=write, more=(409,)
    )
    replace = operation(
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
            "get": operation("listTemplates", "List templates", 200, "TemplatePage", scope=read),
        },
        "/v1/templates/{id}": of(
            get=operation("getTemplate", "Get a template by slug or id", 200, "Template", scope=read, more=(404,)),
            put=replace,
            delete=operation("deleteTemplate", "Delete a template", 204, None, scope=write, more=(404,)),
        ),
        "/v1/templates/{id}/versions": of(
            get=operation(
                "listTemplateVersions",
                "List the texts that a template has had, the latest first",
                200,
                "TemplateVersionPage",
                scope=read,
                more=(404,),
            )
        ),
    }


def _account() -> Json:
    get = operation("getBalance", "Get the balance", 200, "Balance", scope=key_settings.READ_BALANCE)
    return {"/v1/balance": {"get": get}}


def _webhook_endpoints() -> Json:
    scope = key_settings.WRITE_WEBHOOKS
    create = operation(
        "createWebhook", "Create a webhook endpoint", 201, "Webhook", asks="NewWebhook", scope=scope, more=(409,)
    )
    change = operation(
        "updateWebhook", "Change a webhook endpoint", 200, "Webhook", asks="WebhookChange", scope=scope, more=(404,)
    )
    return {
        "/v1/webhooks": {
            "post": create,
            "get": operation("listWebhooks", "List webhook endpoints", 200, "WebhookPage", scope=scope),
        },
        "/v1/webhooks/{id}": of(
            get=operation("getWebhook", "Get a webhook endpoint", 200, "Webhook", scope=scope, more=(404,)),
            patch=change,
            delete=operation("deleteWebhook", "Delete a webhook endpoint", 204, None, scope=scope, more=(404,)),
        ),
        "/v1/webhooks/{id}/rotate-secret": of(
            post=operation("rotateWebhookSecret", "Rotate its secret", 200, "Webhook", scope=scope, more=(404,))
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
        "requestBody": {"required": True, "content": content(name)},
        "responses": {"2XX": {"description": "Received. Any other answer is tried again, for a day and a half."}},
    }
