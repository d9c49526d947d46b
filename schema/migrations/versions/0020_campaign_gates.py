"""Campaigns: gates look at messages made since a campaign was resumed in spite of them."""

import sqlalchemy as sa
from alembic import op

revision: str = "0020"
down_revision: str | None = "0019"


def upgrade() -> None:
    """Apply."""
    op.add_column("campaign_progress", sa.Column("gated_from", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("campaign_progress", "gated_from")
