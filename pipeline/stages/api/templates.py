"""Message templates of an account: created, read, updated, deleted and listed through its API."""

from collections.abc import Iterable
from uuid import UUID

from pipeline.runtime import Runtime, acting
from pipeline.store import template_versions
from pipeline.store.api import templates
from schema.actor import actor_name
from schema.api_views import ShownTemplate, ShownTemplateVersion
from schema.vocabulary import Syntax

__all__ = [
    "ShownTemplate",
    "ShownTemplateVersion",
    "create",
    "delete",
    "find",
    "find_all",
    "list_all",
    "update",
    "versions",
]

#: maximum number of templates in a list
_MOST = 1000


def find(rt: Runtime, account_id: int, word: str) -> ShownTemplate | None:
    """Return the account's template with that slug or id, or None."""
    return find_all(rt, account_id, [word]).get(word)


def find_all(rt: Runtime, account_id: int, words: Iterable[str]) -> dict[str, ShownTemplate]:
    """Return slug or id → template, for those that exist."""
    with rt.begin() as conn:
        return templates.find(conn, account_id, words)


def list_all(rt: Runtime, account_id: int) -> list[ShownTemplate]:
    """Return the account's templates, the oldest first."""
    with rt.begin() as conn:
        return templates.listing(conn, account_id, _MOST)


def create(rt: Runtime, account_id: int, slug: str, name: str, body: str, syntax: Syntax) -> ShownTemplate | None:
    """Create a template; return it, or None if the account has one with that slug."""
    with rt.begin() as conn:
        return templates.create(conn, account_id, slug, name, body, syntax, actor_name(acting.get()))


def update(
    rt: Runtime, account_id: int, id_: UUID, *, name: str | None, body: str | None, syntax: Syntax
) -> ShownTemplate | None:
    """Change a template's name or body (None: unchanged) and its syntax; return it, or None if there is none.

    Another text is another version.
    """
    with rt.begin() as conn:
        by = actor_name(acting.get())
        return templates.update(conn, account_id, id_, name=name, body=body, syntax=syntax, by=by)


def versions(rt: Runtime, account_id: int, word: str) -> list[ShownTemplateVersion] | None:
    """Return the latest versions of the account's template with that slug or id, the latest first; None: no such."""
    with rt.read_only() as conn:
        found = templates.find(conn, account_id, [word]).get(word)
        return template_versions.listing(conn, found.id, _MOST) if found else None


def delete(rt: Runtime, account_id: int, id_: UUID) -> bool:
    """Delete a template with its versions; return whether there was one. Messages sent with it are unchanged."""
    with rt.begin() as conn:
        return templates.delete(conn, account_id, id_)
