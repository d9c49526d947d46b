"""Message templates of an account, as operators set and list them."""

import re
from typing import Any
from uuid import UUID

from pipeline.errors import NotFound, require
from pipeline.runtime import Runtime, acting
from pipeline.store import accounts, template_versions
from pipeline.store.api import templates
from schema.actor import actor_name
from schema.api_views import ShownTemplateVersion

Row = dict[str, Any]

#: maximum length of a template, in characters
MOST_TEXT = 1600
#: versions of a template that are listed
MOST_VERSIONS = 1000

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def set_template(rt: Runtime, name: str, slug: str, body: str) -> tuple[UUID, int]:
    """Create a template of an account, or replace its text; return its id, and the version of its text.

    The same text again is no other version. InvalidInput or NotFound (no account).
    """
    require(_SLUG.fullmatch(slug), f"{slug!r} cannot be a template's name: use letters, digits, - _ . (at most 64)")
    require(body.strip() and "\x00" not in body, "a template needs a text")
    require(len(body) <= MOST_TEXT, f"a template has at most {MOST_TEXT} characters")
    with rt.begin() as conn:
        return accounts.set_template(conn, accounts.named(conn, name).id, slug, body, actor_name(acting.get()))


def list_templates(rt: Runtime, name: str) -> list[Row]:
    """Return the templates of the account of this name; NotFound."""
    with rt.begin() as conn:
        return accounts.list_templates(conn, accounts.named(conn, name).id)


def list_versions(rt: Runtime, name: str, word: str) -> list[ShownTemplateVersion]:
    """Return the latest versions of an account's template (slug or id), the latest first; NotFound."""
    with rt.read_only() as conn:
        found = templates.find(conn, accounts.named(conn, name).id, [word]).get(word)
        if found is None:
            raise NotFound(f"the account {name!r} has no template {word!r}: `postroad template list` shows them")
        return template_versions.listing(conn, found.id, MOST_VERSIONS)
