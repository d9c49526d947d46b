"""The template_versions table: each text that a template has had, when and by whom it was made. Append-only."""

from uuid import UUID

from sqlalchemy import Connection

from schema.api_views import ShownTemplateVersion
from schema.vocabulary import Syntax

_KEEP = """
INSERT INTO template_versions (template_id, version, body, syntax, made_by)
SELECT id, version, body, syntax, %(by)s FROM templates WHERE id = %(template)s
ON CONFLICT (template_id, version) DO NOTHING
"""


def keep(conn: Connection, template: UUID, by: str) -> None:
    """Keep the present text of a template that was just written, unless it is kept already; `by`: the actor."""
    conn.exec_driver_sql(_KEEP, {"template": template, "by": by})


_LISTING = """
SELECT version, body, syntax, made_at, made_by FROM template_versions
WHERE template_id = %(template)s ORDER BY version DESC LIMIT %(limit)s
"""


def listing(conn: Connection, template: UUID, limit: int) -> list[ShownTemplateVersion]:
    """Return up to `limit` versions of a template, the latest first."""
    rows = conn.exec_driver_sql(_LISTING, {"template": template, "limit": limit})
    return [ShownTemplateVersion(row.version, row.body, Syntax(row.syntax), row.made_at, row.made_by) for row in rows]
