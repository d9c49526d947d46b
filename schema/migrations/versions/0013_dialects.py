"""Dialects become rows, referred to by keys and webhook endpoints; `migrate` then writes those of this version."""

import sqlalchemy as sa
from alembic import op

revision: str = "0013"
down_revision: str | None = "0012"

_KNOWN = "INSERT INTO dialects (name) SELECT dialect FROM keys UNION SELECT dialect FROM endpoints"
_LISTED = "dialect IN ('solaris', 'robase', 'telesign', 'webex')"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "dialects",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("has_persons", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("dialects_pkey")),
    )
    op.execute(_KNOWN)
    for table in ("keys", "endpoints"):
        op.drop_constraint(op.f(f"{table}_dialect"), table)
        op.create_foreign_key(op.f(f"{table}_dialect_fkey"), table, "dialects", ["dialect"], ["name"])


def downgrade() -> None:
    """Take back."""
    for table in ("keys", "endpoints"):
        op.drop_constraint(op.f(f"{table}_dialect_fkey"), table)
        op.create_check_constraint(op.f(f"{table}_dialect"), table, _LISTED)
    op.drop_table("dialects")
