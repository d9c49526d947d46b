"""For Postroad's own API: webhooks of inbound messages, and an index on the orders that came through no API."""

import sqlalchemy as sa
from alembic import op

revision: str = "0021"
down_revision: str | None = "0020"

_STATUSES = (
    "'scheduled', 'queued', 'sent', 'delivered', 'failed', 'rejected', 'cancelled', 'number_created', 'number_deleted'"
)


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "requests_latest_orders",
        "requests",
        ["account_id", "first_message"],
        postgresql_where=sa.text("dialect IS NULL AND accepted > 0"),
    )
    op.add_column("dialects", sa.Column("has_inbound", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    _allow(f"{_STATUSES}, 'inbound_received'")


def downgrade() -> None:
    """Take back."""
    op.execute("DELETE FROM webhook_deliveries WHERE status = 'inbound_received'")
    _allow(_STATUSES)
    op.drop_column("dialects", "has_inbound")
    op.drop_index(op.f("requests_latest_orders"), table_name="requests")


def _allow(statuses: str) -> None:
    op.drop_constraint(op.f("webhook_deliveries_status"), "webhook_deliveries")
    op.create_check_constraint(
        op.f("webhook_deliveries_status"), "webhook_deliveries", sa.text(f"status IN ({statuses})")
    )
