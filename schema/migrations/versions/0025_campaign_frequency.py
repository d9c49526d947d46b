"""Campaigns: who got a message of the account within some hours is left out."""

import sqlalchemy as sa
from alembic import op

revision: str = "0025"
down_revision: str | None = "0024"


def upgrade() -> None:
    """Apply."""
    op.add_column("campaigns", sa.Column("not_within_hours", sa.Integer(), nullable=True))
    op.create_check_constraint(op.f("campaigns_not_within_hours"), "campaigns", "not_within_hours > 0")


def downgrade() -> None:
    """Take back."""
    op.drop_column("campaigns", "not_within_hours")
