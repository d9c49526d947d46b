"""Users of the console, their sessions and one-time links; the actor `user` in the audit log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision: str = "0030"
down_revision: str | None = "0029"

_ROLES = "'viewer', 'support', 'campaign_manager', 'approver', 'finance', 'admin'"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("roles", ARRAY(sa.Text()), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("sealed_totp", sa.LargeBinary(), nullable=True),
        sa.Column("totp_confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("totp_step", sa.BigInteger(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_sign_in_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("name = lower(name)", name=op.f("users_name")),
        sa.CheckConstraint(f"roles <@ ARRAY[{_ROLES}] AND cardinality(roles) > 0", name=op.f("users_roles")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("users_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("users_pkey")),
        sa.UniqueConstraint("name", name=op.f("users_name_key")),
    )
    op.create_index(op.f("users_account_id"), "users", ["account_id"])
    op.create_table(
        "user_sessions",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("needs_totp", sa.Boolean(), nullable=False),
        sa.Column("wrong_codes", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("user_sessions_user_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("user_sessions_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("user_sessions_token_hash_key")),
    )
    op.create_index(op.f("user_sessions_user_id"), "user_sessions", ["user_id"])
    op.create_index(op.f("user_sessions_expires_at"), "user_sessions", ["expires_at"])
    op.create_table(
        "login_links",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("purpose IN ('sign_in', 'set_password')", name=op.f("login_links_purpose")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("login_links_user_id_fkey")),
        sa.PrimaryKeyConstraint("user_id", "purpose", name=op.f("login_links_pkey")),
        sa.UniqueConstraint("token_hash", name=op.f("login_links_token_hash_key")),
    )
    op.execute(
        "CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON users FOR EACH ROW EXECUTE FUNCTION "
        "log_row('{name}', '{password_hash,sealed_totp}', '{last_sign_in_at,totp_step}')"
    )
    _allow("'os_user', 'api_key', 'user', 'system', 'database'")


def downgrade() -> None:
    """Take back; entries of the audit log that name users stay."""
    _allow("'os_user', 'api_key', 'system', 'database'", keeps_others=True)
    for table in ("login_links", "user_sessions", "users"):
        op.drop_table(table)


def _allow(kinds: str, *, keeps_others: bool = False) -> None:
    op.drop_constraint(op.f("audit_log_actor_kind"), "audit_log")
    check = f"CHECK (actor_kind IN ({kinds})){' NOT VALID' if keeps_others else ''}"
    op.execute(f"ALTER TABLE audit_log ADD CONSTRAINT audit_log_actor_kind {check}")
