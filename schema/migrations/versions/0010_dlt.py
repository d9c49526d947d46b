"""DLT: whether a carrier's settings have the ids that messages into India need."""

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    """Apply."""
    op.add_column("carriers", sa.Column("sends_dlt", sa.Boolean(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("carriers", "sends_dlt")
