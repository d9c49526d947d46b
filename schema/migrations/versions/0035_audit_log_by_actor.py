"""Indexes of the audit log by who acted, and for whom they claimed to act."""

import sqlalchemy as sa
from alembic import op

revision: str = "0035"
down_revision: str | None = "0034"


def upgrade() -> None:
    """Apply."""
    op.create_index(op.f("audit_log_actor_at"), "audit_log", ["actor", "at"])
    op.create_index(
        "audit_log_claimed", "audit_log", ["claimed", "at"], postgresql_where=sa.text("claimed IS NOT NULL")
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("audit_log_claimed", "audit_log")
    op.drop_index(op.f("audit_log_actor_at"), "audit_log")
