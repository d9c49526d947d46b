"""Campaigns: a recipient may have a time zone of its own."""

import sqlalchemy as sa
from alembic import op

revision: str = "0028"
down_revision: str | None = "0027"


def upgrade() -> None:
    """Apply."""
    op.add_column("campaign_rows", sa.Column("time_zone", sa.Text(), nullable=True))
    condition = sa.text("time_zone IS NOT NULL")
    op.create_index("campaign_rows_zoned", "campaign_rows", ["campaign_id", "request_id"], postgresql_where=condition)


def downgrade() -> None:
    """Take back."""
    op.drop_index("campaign_rows_zoned", "campaign_rows")
    op.drop_column("campaign_rows", "time_zone")
