"""Search by number and correlation id: key, entries by month, requests without entries; batches of a campaign."""

import sqlalchemy as sa
from alembic import op

revision: str = "0029"
down_revision: str | None = "0028"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "search_keys",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("history", sa.Uuid(), nullable=True),
        sa.Column("complete_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("search_keys_pkey")),
    )
    op.create_table(
        "unindexed_requests",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("first_message", sa.Uuid(), nullable=False),
        sa.Column("recipients", sa.Integer(), nullable=False),
    )
    for table in ("message_numbers", "message_correlations"):
        op.create_table(
            table,
            sa.Column("hash", sa.BigInteger(), nullable=False),
            sa.Column("message_id", sa.Uuid(), nullable=False),
            postgresql_partition_by="RANGE (message_id)",
        )
        op.create_index(f"{table}_hash", table, ["hash", "message_id"])
        op.execute(f"CREATE TABLE {table}_beyond PARTITION OF {table} DEFAULT")
    op.create_index(
        "batches_listed_campaign",
        "batches",
        ["campaign_id", "first_id"],
        postgresql_where=sa.text("campaign_id IS NOT NULL"),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_index("batches_listed_campaign", "batches")
    for table in ("message_correlations", "message_numbers", "unindexed_requests", "search_keys"):
        op.drop_table(table)
