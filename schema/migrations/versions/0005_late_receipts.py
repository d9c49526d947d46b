"""A failed message that a carrier has, or may have, may become delivered."""

from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"

_TRIGGER = """
CREATE TRIGGER message_moves BEFORE UPDATE OF status ON messages FOR EACH ROW
WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT coalesce(CASE
    WHEN OLD.status IS NULL THEN NEW.status IN ('sent', 'failed', 'rejected', 'cancelled')
    WHEN OLD.status = 'sent' THEN NEW.status IN ('delivered', 'failed'){more}
END, false))
EXECUTE FUNCTION refuse_status_move('message')
"""
_REVOKED = """
    WHEN OLD.status = 'failed' THEN NEW.status = 'delivered'
        AND OLD.error_code IN ('carrier_refused', 'expired', 'undelivered', 'unresolved')"""


def upgrade() -> None:
    """Apply."""
    op.execute("DROP TRIGGER message_moves ON messages")
    op.execute(_TRIGGER.format(more=_REVOKED))


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TRIGGER message_moves ON messages")
    op.execute(_TRIGGER.format(more=""))
