"""Versions of templates, and which one a request and a campaign were made with."""

import sqlalchemy as sa
from alembic import op

revision: str = "0024"
down_revision: str | None = "0023"

_KEEP = (
    """
    CREATE FUNCTION refuse_change_of_template_version() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'versions of templates are append-only' USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER template_versions_are_kept BEFORE UPDATE ON template_versions
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_template_version()
    """,
)


def upgrade() -> None:
    """Apply; the present text of each template is its first version."""
    op.add_column("templates", sa.Column("version", sa.Integer(), server_default=sa.text("1"), nullable=False))
    op.create_table(
        "template_versions",
        sa.Column("template_id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("syntax", sa.Text(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=True),
        sa.CheckConstraint("syntax IN ('merge', 'go')", name=op.f("template_versions_syntax")),
        sa.ForeignKeyConstraint(
            ["template_id"], ["templates.id"], name=op.f("template_versions_template_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("template_id", "version", name=op.f("template_versions_pkey")),
    )
    op.execute(
        "INSERT INTO template_versions (template_id, version, body, syntax, made_at) "
        "SELECT id, 1, body, syntax, created_at FROM templates"
    )
    for statement in _KEEP:
        op.execute(statement)
    op.add_column("requests", sa.Column("template_id", sa.Uuid(), nullable=True))
    op.add_column("requests", sa.Column("template_version", sa.Integer(), nullable=True))
    op.add_column("campaigns", sa.Column("template_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    """Take back; templates keep their present text."""
    op.drop_column("campaigns", "template_version")
    for column in ("template_id", "template_version"):
        op.drop_column("requests", column)
    op.drop_table("template_versions")
    op.execute("DROP FUNCTION refuse_change_of_template_version")
    op.drop_column("templates", "version")
