"""Campaigns: the hours of their recipients' day, and the hours over which they are spread."""

import sqlalchemy as sa
from alembic import op

revision: str = "0022"
down_revision: str | None = "0021"


def upgrade() -> None:
    """Apply."""
    op.add_column("campaigns", sa.Column("hours_from", sa.SmallInteger(), nullable=True))
    op.add_column("campaigns", sa.Column("hours_until", sa.SmallInteger(), nullable=True))
    op.add_column("campaigns", sa.Column("spread_hours", sa.Float(), nullable=True))
    minutes = "hours_from BETWEEN 0 AND 1439 AND hours_until BETWEEN 0 AND 1439"
    op.create_check_constraint(op.f("campaigns_hours"), "campaigns", minutes)
    op.create_check_constraint(op.f("campaigns_spread_hours"), "campaigns", "spread_hours > 0")


def downgrade() -> None:
    """Take back."""
    for column in ("hours_from", "hours_until", "spread_hours"):
        op.drop_column("campaigns", column)
