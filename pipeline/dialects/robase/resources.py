"""Parses Robase's requests for templates, sender ids and webhooks: JSON into values, or the first error.

Source: docs.robase.dev/sms/templates, /sms/sender-ids, /concepts/webhooks; robasedev 0.1.0 for `name` and `enabled`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, Field, RootModel, StrictBool

from pipeline.dialects.contract import fields
from pipeline.dialects.robase import templates
from pipeline.dialects.robase.requests import COUNTRIES, read
from pipeline.dialects.robase.webhooks import EVENTS
from pipeline.rules.numbers import senders
from schema.api import ApiRequest
from schema.message import Refusal
from schema.vocabulary import Code

#: messages of one page: by default, and at most
PAGE, MOST = 50, 200
#: events that a webhook may subscribe to; those of e-mail never occur
RECEIVED = frozenset(EVENTS.values()) | {
    f"email.{word}" for word in ("sent", "delivered", "bounced", "complained", "opened", "clicked")
}

_Word = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
# many invalid items are reported as one error
_Words = Annotated[list[str], Field(fail_fast=True)]


class _Variables(RootModel[dict[str, Any]]):
    pass


class _Template(BaseModel):
    name: str
    body: str


class _TemplateChange(BaseModel):
    name: str | None = None
    body: str | None = None


class _Registration(BaseModel):
    registered_entity: _Word | None = None
    registration_doc_url: _Word | None = None
    use_case: _Word | None = None
    sample_message: _Word | None = None
    notes: _Word | None = None


class _Sender(_Registration):
    sender_id: str
    countries: _Words


class _SenderChange(_Registration):
    countries: _Words | None = None


class _Webhook(BaseModel):
    url: _Word
    events: _Words
    description: _Word | None = None
    name: _Word | None = None


class _WebhookChange(BaseModel):
    url: _Word | None = None
    events: _Words | None = None
    description: _Word | None = None
    name: _Word | None = None
    enabled: StrictBool | None = None


@dataclass(frozen=True, slots=True)
class TemplateRequest:
    """A new or changed template; None: unchanged."""

    name: str | None
    body: str | None
    slug: str


@dataclass(frozen=True, slots=True)
class SenderRequest:
    """A new or changed sender id registration; countries None: unchanged."""

    sender: str
    countries: list[str] | None
    registration: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class WebhookRequest:
    """A new or changed webhook; None: unchanged."""

    url: str | None
    events: list[str] | None
    description: str | None
    enabled: bool | None = None


def read_template(call: ApiRequest) -> TemplateRequest | Refusal:
    """Return a new template, or its first error."""
    asked = read(call, _Template)
    if isinstance(asked, Refusal):
        return asked
    return _template(asked.name, asked.body)


def read_template_change(call: ApiRequest) -> TemplateRequest | Refusal:
    """Return the changes of a template, or their first error."""
    asked = read(call, _TemplateChange)
    return asked if isinstance(asked, Refusal) else _template(asked.name, asked.body)


def read_variables(call: ApiRequest) -> Mapping[str, Any] | Refusal:
    """Return the variables of a template preview: the body, or its `variables`; an empty body: none."""
    if not call.body:
        return {}
    asked = read(call, _Variables)
    if isinstance(asked, Refusal):
        return asked
    inner = asked.root.get("variables")
    return inner if isinstance(inner, Mapping) else asked.root


def read_sender(call: ApiRequest) -> SenderRequest | Refusal:
    """Return a sender id to register, or its first error."""
    asked = read(call, _Sender)
    if isinstance(asked, Refusal):
        return asked
    if len(asked.sender_id) > 11 or not senders.is_sender(asked.sender_id):
        return Refusal(Code.SENDER_INVALID, "sender_id must be alphanumeric and at most 11 characters", "sender_id")
    fault = _fault_of_countries(asked.countries)
    return fault or SenderRequest(asked.sender_id, list(dict.fromkeys(asked.countries)), _registration(asked))


def read_sender_change(call: ApiRequest) -> SenderRequest | Refusal:
    """Return the changes of a sender id's registration, or their first error."""
    asked = read(call, _SenderChange)
    if isinstance(asked, Refusal):
        return asked
    fault = None if asked.countries is None else _fault_of_countries(asked.countries)
    return fault or SenderRequest("", asked.countries and list(dict.fromkeys(asked.countries)), _registration(asked))


def read_webhook(call: ApiRequest) -> WebhookRequest | Refusal:
    """Return a new webhook, or its first error."""
    asked = read(call, _Webhook)
    if isinstance(asked, Refusal):
        return asked
    fault = _fault_of_events(asked.events)
    return fault or WebhookRequest(asked.url, asked.events, asked.description or asked.name or "")


def read_webhook_change(call: ApiRequest) -> WebhookRequest | Refusal:
    """Return the changes of a webhook, or their first error."""
    asked = read(call, _WebhookChange)
    if isinstance(asked, Refusal):
        return asked
    fault = None if asked.events is None else _fault_of_events(asked.events)
    description = asked.name if asked.description is None else asked.description
    return fault or WebhookRequest(asked.url, asked.events, description, asked.enabled)


def read_page(call: ApiRequest) -> tuple[int, str | None] | Refusal:
    """Return the page size and the cursor of a query string, or its first error."""
    try:
        asked = fields(call.query)
    except ValueError:
        return Refusal(Code.INVALID_FIELD, "the query cannot be read")
    limit = asked.get("limit", str(PAGE))
    if not (limit.isascii() and limit.isdecimal() and len(limit) <= 3 and 1 <= int(limit) <= MOST):
        return Refusal(Code.INVALID_FIELD, f"limit must be a number from 1 to {MOST}", "limit")
    return int(limit), asked.get("cursor") or None


def _template(name: str | None, body: str | None) -> TemplateRequest | Refusal:
    slug = templates.slug(name) if name is not None else ""
    if name is not None and not (slug and len(name) <= templates.MOST_NAME and name.isprintable()):
        words = f"name must have 1 to {templates.MOST_NAME} characters, a letter or digit among them"
        return Refusal(Code.INVALID_FIELD, words, "name")
    fault = templates.check(body) if body is not None else None
    return fault or TemplateRequest(name, body, slug)


def _fault_of_countries(countries: Sequence[str]) -> Refusal | None:
    known = COUNTRIES.values()
    if countries and all(each in known for each in countries):
        return None
    return Refusal(Code.INVALID_FIELD, f"countries must be some of {', '.join(known)}", "countries")


def _fault_of_events(events: Sequence[str]) -> Refusal | None:
    if events and all(each in RECEIVED for each in events):
        return None
    return Refusal(Code.INVALID_FIELD, f"events must be some of {', '.join(sorted(RECEIVED))}", "events")


def _registration(asked: _Registration) -> dict[str, str]:
    return asked.model_dump(include=set(_Registration.model_fields), exclude_none=True)
