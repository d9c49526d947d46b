"""State of carriers' SMPP binds, as reported by the processes that keep them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "carrier_binds",
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("bound", sa.SmallInteger(), nullable=False),
        sa.Column("wanted", sa.SmallInteger(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("remarks", postgresql.JSONB(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("carrier", "host", name=op.f("carrier_binds_pkey")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("carrier_binds")
