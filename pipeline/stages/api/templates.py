"""Texts: the templates that an account keeps, found and written through its door."""

from collections.abc import Iterable
from uuid import UUID

from pipeline.runtime import Runtime
from pipeline.store.api import templates
from schema.api_views import ShownTemplate
from schema.vocabulary import Syntax

__all__ = ["ShownTemplate", "create", "delete", "find", "find_all", "list_all", "update"]

#: templates one answer lists
_MOST = 1000


def find(rt: Runtime, account_id: int, word: str) -> ShownTemplate | None:
    """Return the account's template of that slug or id, or None."""
    return find_all(rt, account_id, [word]).get(word)


def find_all(rt: Runtime, account_id: int, words: Iterable[str]) -> dict[str, ShownTemplate]:
    """Return slug or id → template, for those that the account has."""
    with rt.begin() as conn:
        return templates.find(conn, account_id, words)


def list_all(rt: Runtime, account_id: int) -> list[ShownTemplate]:
    """Return the account's templates, the oldest first."""
    with rt.begin() as conn:
        return templates.listing(conn, account_id, _MOST)


def create(rt: Runtime, account_id: int, slug: str, name: str, body: str, syntax: Syntax) -> ShownTemplate | None:
    """Write a template; return it, or None when the account has one of that slug."""
    with rt.begin() as conn:
        return templates.create(conn, account_id, slug, name, body, syntax)


def update(
    rt: Runtime, account_id: int, id_: UUID, *, name: str | None, body: str | None, syntax: Syntax
) -> ShownTemplate | None:
    """Give a template another name or body (None: as it was); return it, or None when the account has no such."""
    with rt.begin() as conn:
        return templates.update(conn, account_id, id_, name=name, body=body, syntax=syntax)


def delete(rt: Runtime, account_id: int, id_: UUID) -> bool:
    """Delete a template; return whether there was one. What was sent with it stays as it was."""
    with rt.begin() as conn:
        return templates.delete(conn, account_id, id_)
