"""Whether a carrier can send to India is stored for each, as its kind says it, so that nothing else names a kind."""

import sqlalchemy as sa
from alembic import op

revision: str = "0016"
down_revision: str | None = "0015"

#: kinds that reach no operator, and the one whose settings could have ids before they were checked (0010)
_ABLE = "UPDATE carriers SET sends_dlt = kind IN ('http', 'simulated', 'smpp') WHERE sends_dlt IS NULL"


def upgrade() -> None:
    """Apply."""
    op.execute(_ABLE)
    op.alter_column("carriers", "sends_dlt", server_default=sa.text("false"), nullable=False)


def downgrade() -> None:
    """Take back."""
    op.alter_column("carriers", "sends_dlt", server_default=None, nullable=True)
    op.execute("UPDATE carriers SET sends_dlt = NULL WHERE kind IN ('http', 'simulated')")
