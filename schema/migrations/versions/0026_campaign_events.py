"""Campaigns: the changes of their states, which webhooks and e-mails report, and the replies to their messages."""

import sqlalchemy as sa
from alembic import op

revision: str = "0026"
down_revision: str | None = "0025"

_STATUSES = (
    "'scheduled', 'queued', 'sent', 'delivered', 'failed', 'rejected', 'cancelled', 'number_created', "
    "'number_deleted', 'inbound_received'"
)
_CAMPAIGNS = (
    "'campaign_quoted', 'campaign_failed', 'campaign_stale', 'campaign_running', 'campaign_paused', "
    "'campaign_finished', 'campaign_aborted', 'campaign_expired'"
)
_STATES = (
    "'draft', 'checking', 'failed', 'quoted', 'stale', 'approved', 'scheduled', 'running', 'paused', 'finished', "
    "'aborted', 'expired'"
)
_CAUSES = "'person', 'gate', 'insufficient_funds', 'quote_exceeded', 'refused'"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "campaign_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alert_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("alert_tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint(f"state IN ({_STATES})", name=op.f("campaign_events_state")),
        sa.CheckConstraint(f"cause IN ({_CAUSES})", name=op.f("campaign_events_cause")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("campaign_events_campaign_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("campaign_events_pkey")),
    )
    op.create_index(op.f("campaign_events_campaign_id_id"), "campaign_events", ["campaign_id", "id"])
    op.create_index(
        "campaign_events_alerts", "campaign_events", ["at"], postgresql_where=sa.text("alert_due_at IS NOT NULL")
    )
    op.add_column("dialects", sa.Column("has_campaigns", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    _allow(f"{_STATUSES}, {_CAMPAIGNS}")
    for column in ("replies", "opt_outs"):
        op.add_column("campaign_progress", sa.Column(column, sa.Integer(), server_default=sa.text("0"), nullable=False))
    op.add_column("inbound_messages", sa.Column("campaign_id", sa.Uuid(), nullable=True))
    op.add_column("inbound_messages", sa.Column("campaign_line", sa.Integer(), nullable=True))
    op.create_index(
        "inbound_messages_campaign",
        "inbound_messages",
        ["campaign_id", "campaign_line"],
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    )
    op.create_index(
        "campaign_rows_phone",
        "campaign_rows",
        ["campaign_id", "phone"],
        postgresql_where=sa.text("request_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("campaign_rows_phone", table_name="campaign_rows")
    for column in ("campaign_line", "campaign_id"):
        op.drop_column("inbound_messages", column)
    for column in ("replies", "opt_outs"):
        op.drop_column("campaign_progress", column)
    op.execute("DELETE FROM webhook_deliveries WHERE starts_with(status, 'campaign_')")
    _allow(_STATUSES)
    op.drop_column("dialects", "has_campaigns")
    op.drop_table("campaign_events")


def _allow(statuses: str) -> None:
    op.drop_constraint(op.f("webhook_deliveries_status"), "webhook_deliveries")
    op.create_check_constraint(
        op.f("webhook_deliveries_status"), "webhook_deliveries", sa.text(f"status IN ({statuses})")
    )
