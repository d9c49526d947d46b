"""Parses requests for templates and webhooks: JSON into values, or all errors found. Unknown fields are errors."""

from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

from pipeline.dialects.postroad.requests import read_object
from pipeline.dialects.postroad.webhooks import ALL
from schema.api import ApiRequest
from schema.message import Refusal
from schema.order_reader import refusals_of
from schema.vocabulary import Code

M = TypeVar("M", bound=BaseModel)

#: most characters of a template's text
MOST_BODY = 1600
#: pattern of a template's slug
SLUG = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"

_Word = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
_Title = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]+$")]
_Body = Annotated[str, Field(min_length=1, max_length=MOST_BODY, pattern=r"^[^\x00]+$")]


class TemplateBody(BaseModel):
    """The new content of a template: `PUT /v1/templates/{id}`."""

    model_config = ConfigDict(extra="forbid")

    #: absent: unchanged
    name: _Title | None = None
    body: _Body


class NewTemplate(TemplateBody):
    """A template to create; its name is its slug unless it has another."""

    slug: Annotated[str, Field(pattern=f"^{SLUG}$")]


class NewWebhook(BaseModel):
    """A webhook endpoint to create."""

    model_config = ConfigDict(extra="forbid")

    url: _Word
    #: empty: all
    events: list[str] = []
    description: _Word = ""


class WebhookChange(BaseModel):
    """Changes of a webhook endpoint; None: unchanged."""

    model_config = ConfigDict(extra="forbid")

    url: _Word | None = None
    events: list[str] | None = None
    description: _Word | None = None
    enabled: StrictBool | None = None


def read_template(call: ApiRequest) -> NewTemplate | list[Refusal]:
    """Return a template to create, or all errors."""
    asked = _read(call, NewTemplate)
    return asked if isinstance(asked, list) else _faults_of_body(asked.body) or asked


def read_template_body(call: ApiRequest) -> TemplateBody | list[Refusal]:
    """Return the new content of a template, or all errors."""
    asked = _read(call, TemplateBody)
    return asked if isinstance(asked, list) else _faults_of_body(asked.body) or asked


def read_webhook(call: ApiRequest) -> NewWebhook | list[Refusal]:
    """Return a webhook endpoint to create, or all errors."""
    asked = _read(call, NewWebhook)
    return asked if isinstance(asked, list) else _faults_of_events(asked.events) or asked


def read_webhook_change(call: ApiRequest) -> WebhookChange | list[Refusal]:
    """Return the changes of a webhook endpoint, or all errors."""
    asked = _read(call, WebhookChange)
    return asked if isinstance(asked, list) else _faults_of_events(asked.events or []) or asked


def _read(call: ApiRequest, model: type[M]) -> M | list[Refusal]:
    found = read_object(call)
    if isinstance(found, Refusal):
        return [found]
    try:
        return model.model_validate(found)
    except ValidationError as error:
        return refusals_of(error)


def _faults_of_body(body: str) -> list[Refusal]:
    return [] if body.strip() else [Refusal(Code.INVALID_FIELD, "the text is empty", "body")]


def _faults_of_events(events: list[str]) -> list[Refusal]:
    if all(each in ALL for each in events):
        return []
    return [Refusal(Code.INVALID_FIELD, f"must be some of {', '.join(ALL)}", "events")]
