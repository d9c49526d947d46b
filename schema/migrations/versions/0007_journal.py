"""Journal: which process holds a claimed batch."""

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Apply."""
    op.add_column("batches", sa.Column("holder", sa.Uuid(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("batches", "holder")
