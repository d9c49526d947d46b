"""Robase's message templates: slugs, ids, validation, variables and rendering."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from pipeline.rules.text import go_templates, templates
from pipeline.rules.text.go_templates import NO_VALUE, GoTemplate, InvalidTemplate
from pipeline.rules.text.segments import measure
from schema.api_views import ShownTemplate
from schema.message import Measure, Refusal
from schema.vocabulary import Code, Syntax

#: most characters of a body, before and after it is filled in, and of a name or slug
MOST_BODY, MOST_NAME = 1600, 64

_PREFIX = "tpl_"
_BREAKS = re.compile(r"[^a-z0-9]+")


def slug(name: str) -> str:
    """Return the slug of a template's name: `Ride arriving` → `ride-arriving`; "" if no character is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return _BREAKS.sub("-", plain).strip("-")[:MOST_NAME].strip("-")


def format_id(id_: UUID) -> str:
    """Return a template's id in the vendor's format: `tpl_…`."""
    return f"{_PREFIX}{id_}"


def slug_or_id(asked: str) -> str:
    """Return the slug or id in a request, without the prefix `tpl_` of an id."""
    if not asked.startswith(_PREFIX):
        return asked
    try:
        return str(UUID(asked.removeprefix(_PREFIX)))
    except ValueError:
        return asked


def check(body: str) -> Refusal | None:
    """Return why a body is not a valid template, or None."""
    if not body.strip() or len(body) > MOST_BODY or "\x00" in body:
        return Refusal(Code.INVALID_FIELD, f"body must have 1 to {MOST_BODY} characters, and no NUL", "body")
    try:
        _compiled(body)
    except InvalidTemplate as error:
        return Refusal(Code.INVALID_FIELD, f"body cannot be read: {error}", "body")
    return None


def variables(text: ShownTemplate) -> tuple[str, ...]:
    """Return the names of a template's variables."""
    return _compiled(text.body).variables if text.syntax is Syntax.GO else templates.compile(text.body).names


def render(text: ShownTemplate, given: Mapping[str, Any]) -> str:
    """Return a template filled in; a text above the limit is cut to one character more than the limit."""
    if text.syntax is Syntax.GO:
        return go_templates.render(_compiled(text.body), given, MOST_BODY)
    template = templates.compile(text.body)
    own = {name: NO_VALUE if given.get(name) is None else str(given[name]) for name in template.names}
    filled = templates.render_all(template, own, [{}], MOST_BODY)[0]
    assert isinstance(filled, str)
    return filled


def preview(text: ShownTemplate, given: Mapping[str, Any]) -> tuple[str, Measure]:
    """Return a template filled in, with its encoding and number of segments."""
    body = render(text, given)
    return body, measure([body])[0]


@lru_cache(maxsize=256)
def _compiled(body: str) -> GoTemplate:
    return go_templates.compile(body)
