"""Which API a request came through, and by which operation, are columns: `robase.test.send` is robase, send, a test."""

import sqlalchemy as sa
from alembic import op

revision: str = "0014"
down_revision: str | None = "0013"

_LISTED = "split_part(door, '.', 1) IN ('solaris', 'robase', 'telesign', 'webex')"
_SPLIT = f"""
UPDATE requests SET
    dialect = CASE WHEN {_LISTED} THEN split_part(door, '.', 1) END,
    operation = CASE WHEN {_LISTED} THEN nullif(regexp_replace(door, '^[^.]*([.]test)?[.]?', ''), '') ELSE door END
WHERE door IS NOT NULL
"""
_JOIN = """
UPDATE requests SET door = concat_ws(
    '.', dialect, CASE WHEN test AND (dialect = 'robase' OR dialect = 'solaris' AND operation IS NULL) THEN 'test' END,
    operation
)
WHERE dialect IS NOT NULL OR operation IS NOT NULL
"""


def upgrade() -> None:
    """Apply."""
    op.add_column("requests", sa.Column("dialect", sa.Text(), nullable=True))
    op.add_column("requests", sa.Column("operation", sa.Text(), nullable=True))
    op.execute(_SPLIT)
    op.drop_index(op.f("requests_latest"), table_name="requests")
    op.drop_column("requests", "door")
    op.create_index(
        "requests_latest", "requests", ["account_id", "first_message"], postgresql_where=sa.text("dialect IS NOT NULL")
    )


def downgrade() -> None:
    """Take back."""
    op.add_column("requests", sa.Column("door", sa.Text(), nullable=True))
    op.execute(_JOIN)
    op.drop_index(op.f("requests_latest"), table_name="requests")
    op.drop_column("requests", "operation")
    op.drop_column("requests", "dialect")
    op.create_index(
        "requests_latest", "requests", ["account_id", "first_message"], postgresql_where=sa.text("door IS NOT NULL")
    )
