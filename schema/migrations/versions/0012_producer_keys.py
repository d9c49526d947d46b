"""Producer keys, with which orders are sealed for the broker."""

import sqlalchemy as sa
from alembic import op

revision: str = "0012"
down_revision: str | None = "0011"


def upgrade() -> None:
    """Apply."""
    op.add_column("accounts", sa.Column("sealed_orders", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_table(
        "producer_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("producer_keys_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("producer_keys_pkey")),
    )
    op.create_index(op.f("producer_keys_account_id"), "producer_keys", ["account_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("producer_keys")
    op.drop_column("accounts", "sealed_orders")
