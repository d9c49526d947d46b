"""Message templates of an account, as operators set and list them."""

import re
from typing import Any
from uuid import UUID

from pipeline.errors import require
from pipeline.runtime import Runtime
from pipeline.store import accounts

Row = dict[str, Any]

#: maximum length of a template, in characters
MOST_TEXT = 1600

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def set_template(rt: Runtime, name: str, slug: str, body: str) -> UUID:
    """Create a template of an account, or replace its text; return its id. InvalidInput or NotFound (no account)."""
    require(_SLUG.fullmatch(slug), f"{slug!r} cannot be a template's name: use letters, digits, - _ . (at most 64)")
    require(body.strip() and "\x00" not in body, "a template needs a text")
    require(len(body) <= MOST_TEXT, f"a template has at most {MOST_TEXT} characters")
    with rt.begin() as conn:
        return accounts.set_template(conn, accounts.named(conn, name).id, slug, body)


def list_templates(rt: Runtime, name: str) -> list[Row]:
    """Return the templates of the account of this name; NotFound."""
    with rt.begin() as conn:
        return accounts.list_templates(conn, accounts.named(conn, name).id)
