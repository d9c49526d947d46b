"""Counters of metrics, the result of the last audit, the balance that operators are alerted at, open campaigns."""

import sqlalchemy as sa
from alembic import op

revision: str = "0032"
down_revision: str | None = "0031"

_COUNTERS = "'messages', 'attempts', 'receipts', 'webhooks', 'queue_wait', 'receipt_lag', 'delivery_time'"
#: what was counted until now; the rest begins at nothing
_COUNT = """
INSERT INTO counter_totals
SELECT 'messages', ARRAY[country, carrier, class, before, status], sum(messages), sum(segments)
FROM status_counts_by_day WHERE NOT test AND messages > 0 GROUP BY 2
"""


def upgrade() -> None:
    """Apply."""
    for table in ("counter_increments", "counter_totals"):
        op.create_table(
            table,
            sa.Column("counter", sa.Text(), nullable=False),
            sa.Column("labels", sa.ARRAY(sa.Text()), nullable=False),
            sa.Column("events", sa.BigInteger(), nullable=False),
            sa.Column("total", sa.Float(), nullable=False),
            sa.CheckConstraint(f"counter IN ({_COUNTERS})", name=op.f(f"{table}_counter")),
        )
    for name, kind in (
        ("took_bucket", sa.SmallInteger),
        ("took", sa.Float),
        ("lag_bucket", sa.SmallInteger),
        ("lag", sa.Float),
    ):
        op.add_column("status_changes", sa.Column(name, kind(), nullable=True))
    op.create_primary_key(op.f("counter_totals_pkey"), "counter_totals", ["counter", "labels"])
    op.execute(_COUNT)
    op.create_table(
        "audit_findings",
        sa.Column("invariant", sa.Text(), nullable=False),
        sa.Column("broken", sa.BigInteger(), nullable=False),
        sa.Column("checked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("invariant", name=op.f("audit_findings_pkey")),
    )
    op.add_column("accounts", sa.Column("alert_below", sa.BigInteger(), nullable=True))
    op.create_index(
        "campaigns_open",
        "campaigns",
        ["state"],
        postgresql_where=sa.text("state NOT IN ('finished', 'aborted', 'expired')"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("campaigns_open", "campaigns")
    op.drop_column("accounts", "alert_below")
    for name in ("lag", "lag_bucket", "took", "took_bucket"):
        op.drop_column("status_changes", name)
    for table in ("audit_findings", "counter_totals", "counter_increments"):
        op.drop_table(table)
