"""API keys that expire, that show their last use, and that replace another."""

import sqlalchemy as sa
from alembic import op

revision: str = "0031"
down_revision: str | None = "0030"


def upgrade() -> None:
    """Apply."""
    op.add_column("api_keys", sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("api_keys", sa.Column("replaces", sa.Integer(), nullable=True))
    op.create_foreign_key(op.f("api_keys_replaces_fkey"), "api_keys", "api_keys", ["replaces"], ["id"])
    _audit("secret_version,last_used_at")


def downgrade() -> None:
    """Take back; a key that has expired is revoked."""
    op.execute("UPDATE api_keys SET revoked_at = expires_at WHERE revoked_at IS NULL AND expires_at <= now()")
    _audit("secret_version")
    for column in ("replaces", "last_used_at", "expires_at"):
        op.drop_column("api_keys", column)


def _audit(ignored: str) -> None:
    """Write changes of keys to the audit log, but for these columns."""
    op.execute("DROP TRIGGER audited ON api_keys")
    op.execute(
        "CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON api_keys FOR EACH ROW EXECUTE FUNCTION "
        f"log_row('{{id}}', '{{handle,sealed,secret_hash}}', '{{{ignored}}}')"
    )
