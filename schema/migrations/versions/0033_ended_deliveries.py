"""An index of webhook deliveries that ended, by endpoint and state, for lists and for recovering them."""

import sqlalchemy as sa
from alembic import op

revision: str = "0033"
down_revision: str | None = "0032"


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "webhook_deliveries_ended",
        "webhook_deliveries",
        ["concurrency_key", "state", "done_at"],
        postgresql_where=sa.text("state <> 'waiting'"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("webhook_deliveries_ended", "webhook_deliveries")
