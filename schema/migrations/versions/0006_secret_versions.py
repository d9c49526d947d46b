"""Versions of the secret key that API keys' hashes are made with."""

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    """Apply."""
    op.add_column("keys", sa.Column("secret_version", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("keys", "secret_version")
