"""The schemas of the OpenAPI document of Postroad's own API: requests, responses, problem details, events."""

from pipeline.dialects.postroad import errors, resources, webhooks
from pipeline.dialects.postroad.openapi_types import (
    CLASS,
    CODE,
    ENCODING,
    FLAG,
    ID,
    MESSAGE,
    NO_CONTROLS,
    RECIPIENT,
    TEXT,
    TEXT_OR_NULL,
    TIME,
    TIME_OR_NULL,
    WHOLE,
    WHOLE_OR_NULL,
    Json,
    closed,
    or_null,
    page,
    ref,
)
from schema.message_class import MessageClass
from schema.order import MAX_RECIPIENTS
from schema.vocabulary import Code, InboundAction, Outcome, Status, Syntax

_EXAMPLE: Json = {
    "sender": "ACME",
    "body": "Hello ${name}, your order is ready.",
    "country": "NG",
    "recipients": [{"to": "0803 123 4567", "merge": {"name": "Ada"}, "correlation_id": "order-9"}],
}


def requested() -> dict[str, Json]:
    """Return the schemas of requests: any other field is refused."""
    title: Json = {"type": ["string", "null"], "minLength": 1, "maxLength": 64, "pattern": NO_CONTROLS}
    body: Json = {"type": "string", "minLength": 1, "maxLength": resources.MOST_BODY, "pattern": r"^[^\x00]+$"}
    slug: Json = {"type": "string", "pattern": f"^{resources.SLUG}$"}
    url: Json = {"type": "string", "maxLength": 2000, "pattern": r"^[^\x00]*$"}
    events: Json = {"type": "array", "items": {"enum": list(webhooks.ALL)}, "description": "Empty: all."}
    hook: Json = {"url": url, "events": events, "description": url}
    changes = {name: each | {"type": [each["type"], "null"]} for name, each in (hook | {"enabled": FLAG}).items()}
    return {
        "SendRequest": _send_request() | {"examples": [_EXAMPLE]},
        "NewTemplate": closed({"slug": slug, "name": title, "body": body}, ["name"]),
        "TemplateBody": closed({"name": title, "body": body}, ["name"]),
        "NewWebhook": closed(hook, ["events", "description"]),
        "WebhookChange": closed(changes, changes),
    }


def _send_request() -> Json:
    send: Json = MESSAGE | {
        "recipients": {"type": "array", "minItems": 1, "maxItems": MAX_RECIPIENTS, "items": RECIPIENT},
        "class": CLASS | {"default": str(MessageClass.TRANSACTIONAL)},
        "skip_opt_outs": FLAG | {"description": "Ignores opt-outs from this account."},
    }
    return closed(send, send.keys() - {"sender", "recipients"})


def responded() -> dict[str, Json]:
    """Return the schemas of responses: each field is always present."""
    fault = closed({"code": CODE, "detail": TEXT, "field": TEXT_OR_NULL})
    money = closed({"amount": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}, "currency": TEXT})
    problem = {
        "type": TEXT | {"description": "`urn:postroad:problem:` and the code."},
        "title": TEXT,
        "status": {"enum": sorted({status for status, _ in errors.ERRORS.values()})},
        "detail": TEXT,
        "instance": TEXT | {"description": "Names this request, as the server's log does."},
        "code": CODE,
        "errors": {"type": "array", "minItems": 1, "maxItems": errors.MOST, "items": ref("Fault")},
    }
    balance = closed({"balance": ref("Money"), "reserved": ref("Money")})
    return {
        "Problem": closed(problem),
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
        "id": ID,
        "request_id": ID,
        "status": {"enum": [str(each) for each in Status]},
        "test": FLAG,
        "to": TEXT,
        "country": TEXT_OR_NULL,
        "sender": TEXT,
        "correlation_id": TEXT_OR_NULL,
        "segments": WHOLE_OR_NULL,
        "encoding": ENCODING,
        "cost": ref("Money"),
        "quota_segments": WHOLE,
        "error_code": {"enum": [*(str(each) for each in Code), None]},
        "created_at": TIME,
    }
    attempt = closed(
        {
            "carrier": TEXT,
            "outcome": {"enum": [str(each) for each in Outcome]},
            "carrier_reference": TEXT_OR_NULL,
            "carrier_code": TEXT_OR_NULL,
            "at": TIME,
        }
    )
    more: Json = {
        "class": CLASS,
        "body": TEXT,
        "carrier": TEXT,
        **dict.fromkeys(("send_at", "sent_at", "final_at"), TIME_OR_NULL),
        "attempts": {"type": "array", "items": attempt},
    }
    event = {"type": {"enum": list(webhooks.EVENTS.values())}, "timestamp": TIME, "data": closed(basic)}
    return {
        "Message": closed(basic | more),
        "MessagePage": page("Message", _COMPLETE),
        "MessageEvent": closed(event),
    }


_COMPLETE: Json = {
    "complete_from": TIME_OR_NULL
    | {"description": "By `to` or `correlation_id`: earlier messages may be missing. Null: none is."},
    "complete_until": TIME_OR_NULL
    | {"description": "By `to` or `correlation_id`: messages answered before then are all found."},
}


def _results() -> dict[str, Json]:
    """Return the schemas of what became of a request."""
    result = closed(
        {
            "id": {"type": ["string", "null"], "format": "uuid"},
            "status": {"enum": ["queued", "scheduled", "refused"]},
            "to": TEXT,
            "country": TEXT_OR_NULL,
            "correlation_id": TEXT_OR_NULL,
            "encoding": ENCODING,
            "segments": WHOLE_OR_NULL,
            "cost": or_null("Money"),
            "error": or_null("Fault"),
        }
    )
    sent = {
        "request_id": ID,
        "test": FLAG,
        **dict.fromkeys(("accepted", "refused", "segments"), WHOLE),
        "cost": ref("Money"),
        "messages": {"type": "array", "items": result, "description": "One for each recipient, in their order."},
    }
    refused = closed({"index": WHOLE_OR_NULL, "code": CODE, "detail": TEXT, "field": TEXT_OR_NULL})
    request = {
        "id": ID,
        "class": CLASS,
        "test": FLAG,
        "recipients": WHOLE,
        "accepted": WHOLE,
        "statuses": closed({str(each): WHOLE for each in Status}),
        "refusals": {"type": "array", "items": refused},
        **dict.fromkeys(("send_at", "valid_until"), TIME_OR_NULL),
        "created_at": TIME,
        "template_id": {"type": ["string", "null"], "format": "uuid"},
        "template_version": WHOLE_OR_NULL | {"description": "Of the template's text that it was made with."},
    }
    return {"SendResult": closed(sent), "Request": closed(request)}


def _resources() -> dict[str, Json]:
    """Return the schemas of inbound messages, templates and webhook endpoints."""
    inbound = {
        "id": ID,
        "from": TEXT | {"description": "The handset: E.164 where it is a number."},
        "to": TEXT | {"description": "The account's number or short code."},
        "body": TEXT,
        "action": {"enum": [str(each) for each in InboundAction]},
        "carrier": TEXT,
        "sent_at": TIME_OR_NULL,
        "received_at": TIME,
        "campaign_id": {"type": ["string", "null"], "format": "uuid", "description": "The campaign that it answers."},
    }
    webhook = {
        "id": ID,
        "url": TEXT,
        "description": TEXT,
        "events": {"type": "array", "items": TEXT},
        "enabled": FLAG,
        "failing_since": TIME_OR_NULL,
        "created_at": TIME,
        "secret": TEXT_OR_NULL | {"description": "Only where the endpoint is created or its secret rotated."},
    }
    return {
        "Inbound": closed(inbound),
        "InboundPage": page("Inbound"),
        "InboundEvent": closed({"type": {"const": webhooks.INBOUND}, "timestamp": TIME, "data": ref("Inbound")}),
        **_templates(),
        "Webhook": closed(webhook),
        "WebhookPage": page("Webhook"),
    }


def _templates() -> dict[str, Json]:
    template = {
        "id": ID,
        "slug": TEXT,
        "name": TEXT,
        "body": TEXT,
        "syntax": {
            "enum": [str(each) for each in Syntax],
            "description": "Only `merge` can be sent with this API; a PUT makes a template so.",
        },
        "fields": {"type": "array", "items": TEXT},
        "version": WHOLE | {"description": "Of its text: 1, 2, …"},
        "created_at": TIME,
    }
    version = {
        **{name: template[name] for name in ("version", "body", "syntax")},
        "made_at": TIME,
        "made_by": TEXT_OR_NULL | {"description": "Its actor, such as `api_key:7`."},
    }
    return {
        "Template": closed(template),
        "TemplatePage": page("Template"),
        "TemplateVersion": closed(version),
        "TemplateVersionPage": page("TemplateVersion"),
    }
