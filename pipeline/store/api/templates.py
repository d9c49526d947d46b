"""The templates table, as account owners create, read, change and delete templates through an API."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from pipeline.store import template_versions
from schema.api_views import ShownTemplate
from schema.vocabulary import Syntax

_FIELDS = "id, slug, coalesce(name, slug), body, syntax, version, created_at"


def _text(row: Sequence[Any]) -> ShownTemplate:
    id_, slug, name, body, syntax, version, created_at = row
    return ShownTemplate(id_, slug, name, body, Syntax(syntax), version, created_at)


_FIND = f"""
SELECT {_FIELDS} FROM templates
WHERE account_id = %(account)s AND (slug = ANY(%(words)s) OR id::text = ANY(%(words)s))
"""


def find(conn: Connection, account: int, words: Iterable[str]) -> dict[str, ShownTemplate]:
    """Return slug or id → template, for those that the account has; a slug takes precedence over an id."""
    wanted = sorted({word for word in words if "\x00" not in word})
    rows = [_text(row) for row in conn.exec_driver_sql(_FIND, {"account": account, "words": wanted})]
    return {str(each.id): each for each in rows} | {each.slug: each for each in rows}


_LISTING = f"SELECT {_FIELDS} FROM templates WHERE account_id = %(account)s ORDER BY created_at, id LIMIT %(limit)s"


def listing(conn: Connection, account: int, limit: int) -> list[ShownTemplate]:
    """Return up to `limit` of an account's templates, the oldest first."""
    return [_text(row) for row in conn.exec_driver_sql(_LISTING, {"account": account, "limit": limit})]


_CREATE = f"""
INSERT INTO templates (account_id, slug, name, body, syntax)
VALUES (%(account)s, %(slug)s, %(name)s, %(body)s, %(syntax)s)
ON CONFLICT (account_id, slug) DO NOTHING
RETURNING {_FIELDS}
"""


def create(
    conn: Connection, account: int, slug: str, name: str, body: str, syntax: Syntax, by: str
) -> ShownTemplate | None:
    """Insert a template; return it, or None when the account has one with that slug. `by`: the actor."""
    params = {"account": account, "slug": slug, "name": name, "body": body, "syntax": str(syntax)}
    return _kept(conn, conn.exec_driver_sql(_CREATE, params).first(), by)


_UPDATE = f"""
UPDATE templates SET name = coalesce(%(name)s::text, name), body = coalesce(%(body)s::text, body),
    syntax = CASE WHEN %(body)s::text IS NULL THEN syntax ELSE %(syntax)s END,
    version = version + coalesce((body, syntax) <> (%(body)s::text, %(syntax)s::text), false)::int
WHERE account_id = %(account)s AND id = %(id)s
RETURNING {_FIELDS}
"""


def update(
    conn: Connection, account: int, id_: UUID, *, name: str | None, body: str | None, syntax: Syntax, by: str
) -> ShownTemplate | None:
    """Change a template's name or body (None: unchanged; the body in that syntax); return it, or None when unknown.

    Another text is another version. `by`: the actor.
    """
    params = {"account": account, "id": id_, "name": name, "body": body, "syntax": str(syntax)}
    return _kept(conn, conn.exec_driver_sql(_UPDATE, params).first(), by)


def _kept(conn: Connection, row: Sequence[Any] | None, by: str) -> ShownTemplate | None:
    if row is None:
        return None
    written = _text(row)
    template_versions.keep(conn, written.id, by)
    return written


_DELETE = "DELETE FROM templates WHERE account_id = %(account)s AND id = %(id)s"


def delete(conn: Connection, account: int, id_: UUID) -> bool:
    """Delete a template; return whether it existed."""
    return conn.exec_driver_sql(_DELETE, {"account": account, "id": id_}).rowcount == 1
