"""Customer APIs: keys, persons, challenges, webhooks; the columns of senders and templates that they need."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "challenges",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("key_id", sa.Integer(), nullable=True),
        sa.Column("code_hash", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("max_attempts", sa.SmallInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('open', 'verified', 'failed')", name=op.f("challenges_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("challenges_pkey")),
    )
    op.create_index(op.f("challenges_created_at"), "challenges", ["created_at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("endpoint_id", sa.Uuid(), nullable=True),
        sa.Column("challenge_id", sa.Uuid(), nullable=True),
        sa.Column("lane", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("tries", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'delivered', 'dead')", name=op.f("deliveries_state")),
        sa.CheckConstraint(
            "status IN ('scheduled', 'queued', 'sent', 'delivered', 'failed', 'rejected', 'cancelled')",
            name=op.f("deliveries_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("deliveries_pkey")),
    )
    op.create_index(
        "deliveries_done", "deliveries", ["done_at"], unique=False, postgresql_where=sa.text("state <> 'waiting'")
    )
    op.create_index(
        "deliveries_due", "deliveries", ["lane", "due_at"], unique=False, postgresql_where=sa.text("state = 'waiting'")
    )
    op.create_index(op.f("deliveries_message_id"), "deliveries", ["message_id"], unique=False)
    op.create_table(
        "endpoints",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("events", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_before", sa.LargeBinary(), nullable=True),
        sa.Column("rotated_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("dialect IN ('solaris', 'robase', 'telesign', 'webex')", name=op.f("endpoints_dialect")),
        sa.CheckConstraint("state IN ('active', 'suspended')", name=op.f("endpoints_state")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("endpoints_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("endpoints_pkey")),
    )
    op.create_index(op.f("endpoints_account_id"), "endpoints", ["account_id"], unique=False)
    op.create_table(
        "keys",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("dialect", sa.Text(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("networks", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("dialect IN ('solaris', 'robase', 'telesign', 'webex')", name=op.f("keys_dialect")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("keys_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("keys_pkey")),
        sa.UniqueConstraint("dialect", "handle", name=op.f("keys_dialect_handle_key")),
    )
    op.create_index(op.f("keys_account_id"), "keys", ["account_id"], unique=False)
    op.create_table(
        "persons",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("person_id", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=True),
        sa.Column("phone_id", sa.Uuid(), nullable=True),
        sa.Column("verified", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("challenge_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("persons_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", "person_id", name=op.f("persons_pkey")),
    )
    op.add_column("requests", sa.Column("door", sa.Text(), nullable=True))
    op.create_index(
        "requests_latest",
        "requests",
        ["account_id", "first_message"],
        unique=False,
        postgresql_where=sa.text("door IS NOT NULL"),
    )
    op.add_column("sender_ids", sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False))
    op.add_column(
        "sender_ids",
        sa.Column("countries", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    )
    op.add_column(
        "sender_ids",
        sa.Column(
            "registration", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column("sender_ids", sa.Column("reason", sa.Text(), nullable=True))
    op.create_unique_constraint(op.f("sender_ids_id_key"), "sender_ids", ["id"])
    op.add_column("templates", sa.Column("name", sa.Text(), nullable=True))
    op.add_column("templates", sa.Column("syntax", sa.Text(), server_default="merge", nullable=False))
    op.create_check_constraint(op.f("templates_syntax"), "templates", "syntax IN ('merge', 'go')")


def downgrade() -> None:
    """Take back."""
    op.execute("DROP TABLE deliveries, endpoints, challenges, persons, keys")
    op.execute("DROP INDEX requests_latest")
    op.execute("ALTER TABLE requests DROP door")
    op.execute("ALTER TABLE sender_ids DROP id, DROP countries, DROP registration, DROP reason")
    op.execute("ALTER TABLE templates DROP syntax, DROP name")
