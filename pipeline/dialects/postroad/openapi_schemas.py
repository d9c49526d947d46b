"""The schemas of the OpenAPI document of Postroad's own API: requests, responses, problem details, events."""

from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.dialects.postroad import errors, resources, webhooks
from schema.message_class import MessageClass
from schema.order import MAX_RECIPIENTS
from schema.vocabulary import Code, Encoding, InboundAction, Outcome, Status, Syntax

Json = dict[str, Any]

_TEXT: Json = {"type": "string"}
_TEXT_OR_NULL: Json = {"type": ["string", "null"]}
_UUID: Json = {"type": "string", "format": "uuid"}
_TIME: Json = {"type": "string", "format": "date-time"}
_TIME_OR_NULL: Json = {"type": ["string", "null"], "format": "date-time"}
_FLAG: Json = {"type": "boolean"}
#: a count
_WHOLE: Json = {"type": "integer", "minimum": 0}
_WHOLE_OR_NULL: Json = {"type": ["integer", "null"], "minimum": 0}

_ENCODING: Json = {"enum": [*(str(each) for each in Encoding), None]}
_CLASS: Json = {"enum": [str(each) for each in MessageClass]}
_CODE: Json = {"enum": [str(each) for each in Code]}

_NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
_REFERENCE: Json = {"type": ["string", "null"], "minLength": 1, "maxLength": 255, "pattern": _NO_CONTROLS}
_COUNTRY: Json = {"type": ["string", "null"], "pattern": "^[A-Z]{2}$", "description": "ISO 3166-1 alpha-2."}
_MERGE: Json = {
    "type": "object",
    "maxProperties": 100,
    "propertyNames": {"minLength": 1, "maxLength": 255, "pattern": _NO_CONTROLS},
    "additionalProperties": {"type": "string", "maxLength": 1600, "pattern": r"^[^\x00]*$"},
    "description": "Values of the merge fields `${name}` of the text.",
}
_EXAMPLE: Json = {
    "sender": "ACME",
    "body": "Hello ${name}, your order is ready.",
    "country": "NG",
    "recipients": [{"to": "0803 123 4567", "merge": {"name": "Ada"}, "correlation_id": "order-9"}],
}


def requested() -> dict[str, Json]:
    """Return the schemas of requests: any other field is refused."""
    title: Json = {"type": ["string", "null"], "minLength": 1, "maxLength": 64, "pattern": _NO_CONTROLS}
    body: Json = {"type": "string", "minLength": 1, "maxLength": resources.MOST_BODY, "pattern": r"^[^\x00]+$"}
    slug: Json = {"type": "string", "pattern": f"^{resources.SLUG}$"}
    url: Json = {"type": "string", "maxLength": 2000, "pattern": r"^[^\x00]*$"}
    events: Json = {"type": "array", "items": {"enum": list(webhooks.ALL)}, "description": "Empty: all."}
    hook: Json = {"url": url, "events": events, "description": url}
    changes = {name: each | {"type": [each["type"], "null"]} for name, each in (hook | {"enabled": _FLAG}).items()}
    return {
        "SendRequest": _send_request() | {"examples": [_EXAMPLE]},
        "NewTemplate": _closed({"slug": slug, "name": title, "body": body}, ["name"]),
        "TemplateBody": _closed({"name": title, "body": body}, ["name"]),
        "NewWebhook": _closed(hook, ["events", "description"]),
        "WebhookChange": _closed(changes, changes),
    }


def _send_request() -> Json:
    recipient = _closed(
        {
            "to": {"type": "string", "maxLength": 1600, "description": "E.164; without a plus a number of `country`."},
            "merge": _MERGE,
            "correlation_id": _REFERENCE,
            "country": _COUNTRY,
        },
        ["merge", "correlation_id", "country"],
    )
    text: Json = {"type": ["string", "null"], "minLength": 1, "maxLength": 1600, "pattern": r"^[^\x00]*$"}
    template: Json = {"type": ["string", "null"], "minLength": 1, "maxLength": 64, "pattern": _NO_CONTROLS}
    send: Json = {
        "sender": {"type": "string", "minLength": 1, "maxLength": 20, "pattern": _NO_CONTROLS},
        "recipients": {"type": "array", "minItems": 1, "maxItems": MAX_RECIPIENTS, "items": recipient},
        "body": text | {"description": "The text; or give `template`."},
        "template": template | {"description": "Slug or id of a template; or give `body`."},
        "merge": _MERGE,
        "country": _COUNTRY,
        "class": {"enum": [str(each) for each in MessageClass], "default": str(MessageClass.TRANSACTIONAL)},
        "send_at": _TIME_OR_NULL | {"description": "Not before this time."},
        "valid_until": _TIME_OR_NULL | {"description": "Not after this time."},
        "test": _FLAG | {"description": "Goes to no real carrier, costs nothing. Always so with a test key."},
        "skip_opt_outs": _FLAG | {"description": "Ignores opt-outs from this account."},
    }
    return _closed(send, send.keys() - {"sender", "recipients"})


def responded() -> dict[str, Json]:
    """Return the schemas of responses: each field is always present."""
    fault = _closed({"code": _CODE, "detail": _TEXT, "field": _TEXT_OR_NULL})
    money = _closed({"amount": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}, "currency": _TEXT})
    problem = {
        "type": _TEXT | {"description": "`urn:postroad:problem:` and the code."},
        "title": _TEXT,
        "status": {"enum": sorted({status for status, _ in errors.ERRORS.values()})},
        "detail": _TEXT,
        "instance": _TEXT | {"description": "Names this request, as the server's log does."},
        "code": _CODE,
        "errors": {"type": "array", "minItems": 1, "maxItems": errors.MOST, "items": _ref("Fault")},
    }
    balance = _closed({"balance": _ref("Money")})
    return {
        "Problem": _closed(problem),
        "Fault": fault,
        "Money": money | {"examples": [{"amount": "12.50", "currency": "NGN"}]},
        "Balance": balance,
        **_messages(),
        **_results(),
        **_resources(),
    }


def _messages() -> dict[str, Json]:
    # what every message has, whatever shows it
    basic: Json = {
        "id": _UUID,
        "request_id": _UUID,
        "status": {"enum": [str(each) for each in Status]},
        "test": _FLAG,
        "to": _TEXT,
        "country": _TEXT_OR_NULL,
        "sender": _TEXT,
        "correlation_id": _TEXT_OR_NULL,
        "segments": _WHOLE_OR_NULL,
        "encoding": _ENCODING,
        "cost": _ref("Money"),
        "quota_segments": _WHOLE,
        "error_code": {"enum": [*(str(each) for each in Code), None]},
        "created_at": _TIME,
    }
    attempt = _closed(
        {
            "carrier": _TEXT,
            "outcome": {"enum": [str(each) for each in Outcome]},
            "carrier_reference": _TEXT_OR_NULL,
            "carrier_code": _TEXT_OR_NULL,
            "at": _TIME,
        }
    )
    more: Json = {
        "class": _CLASS,
        "body": _TEXT,
        "carrier": _TEXT,
        **dict.fromkeys(("send_at", "sent_at", "final_at"), _TIME_OR_NULL),
        "attempts": {"type": "array", "items": attempt},
    }
    event = {"type": {"enum": list(webhooks.EVENTS.values())}, "timestamp": _TIME, "data": _closed(basic)}
    return {
        "Message": _closed(basic | more),
        "MessagePage": _page("Message"),
        "MessageEvent": _closed(event),
    }


def _results() -> dict[str, Json]:
    """Return the schemas of what became of a request."""
    result = _closed(
        {
            "id": {"type": ["string", "null"], "format": "uuid"},
            "status": {"enum": ["queued", "scheduled", "refused"]},
            "to": _TEXT,
            "country": _TEXT_OR_NULL,
            "correlation_id": _TEXT_OR_NULL,
            "encoding": _ENCODING,
            "segments": _WHOLE_OR_NULL,
            "cost": _or_null("Money"),
            "error": _or_null("Fault"),
        }
    )
    sent = {
        "request_id": _UUID,
        "test": _FLAG,
        **dict.fromkeys(("accepted", "refused", "segments"), _WHOLE),
        "cost": _ref("Money"),
        "messages": {"type": "array", "items": result, "description": "One for each recipient, in their order."},
    }
    refused = _closed({"index": _WHOLE_OR_NULL, "code": _CODE, "detail": _TEXT, "field": _TEXT_OR_NULL})
    request = {
        "id": _UUID,
        "class": _CLASS,
        "test": _FLAG,
        "recipients": _WHOLE,
        "accepted": _WHOLE,
        "statuses": _closed({str(each): _WHOLE for each in Status}),
        "refusals": {"type": "array", "items": refused},
        **dict.fromkeys(("send_at", "valid_until"), _TIME_OR_NULL),
        "created_at": _TIME,
    }
    return {"SendResult": _closed(sent), "Request": _closed(request)}


def _resources() -> dict[str, Json]:
    """Return the schemas of inbound messages, templates and webhook endpoints."""
    inbound = {
        "id": _UUID,
        "from": _TEXT | {"description": "The handset: E.164 where it is a number."},
        "to": _TEXT | {"description": "The account's number or short code."},
        "body": _TEXT,
        "action": {"enum": [str(each) for each in InboundAction]},
        "carrier": _TEXT,
        "sent_at": _TIME_OR_NULL,
        "received_at": _TIME,
    }
    template = {
        "id": _UUID,
        "slug": _TEXT,
        "name": _TEXT,
        "body": _TEXT,
        "syntax": {
            "enum": [str(each) for each in Syntax],
            "description": "Only `merge` can be sent with this API; a PUT makes a template so.",
        },
        "fields": {"type": "array", "items": _TEXT},
        "created_at": _TIME,
    }
    webhook = {
        "id": _UUID,
        "url": _TEXT,
        "description": _TEXT,
        "events": {"type": "array", "items": _TEXT},
        "enabled": _FLAG,
        "failing_since": _TIME_OR_NULL,
        "created_at": _TIME,
        "secret": _TEXT_OR_NULL | {"description": "Only where the endpoint is created or its secret rotated."},
    }
    return {
        "Inbound": _closed(inbound),
        "InboundPage": _page("Inbound"),
        "InboundEvent": _closed({"type": {"const": webhooks.INBOUND}, "timestamp": _TIME, "data": _ref("Inbound")}),
        "Template": _closed(template),
        "TemplatePage": _page("Template"),
        "Webhook": _closed(webhook),
        "WebhookPage": _page("Webhook"),
    }


def _page(name: str) -> Json:
    return _closed({"data": {"type": "array", "items": _ref(name)}, "next_cursor": _TEXT_OR_NULL})


def _closed(properties: Mapping[str, Json], may: Iterable[str] = ()) -> Json:
    """Return the schema of an object of these fields only, of which those in `may` are optional."""
    optional = set(may)
    required = [name for name in properties if name not in optional]
    found: Json = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return found | {"required": required} if required else found


def _or_null(name: str) -> Json:
    return {"anyOf": [_ref(name), {"type": "null"}]}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
