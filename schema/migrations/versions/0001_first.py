"""The schema of the first release."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None

#: dropped in this order
_TABLES = (
    "wallets, templates, sender_ids, routes, quotas, prices, requests, receipts, provider_attempts, messages, ledger",
    "idempotency, stumbles, events, carriers, batches, accounts",
)

#: the database itself refuses a status move that pipeline/rules/lifecycle.py does not know, and a rewritten ledger
_GUARDS = (
    """
    CREATE FUNCTION refuse_status_move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% %: % may not become %', TG_ARGV[0], OLD.id, coalesce(OLD.status, 'null'),
            coalesce(NEW.status, 'null') USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER message_moves BEFORE UPDATE OF status ON messages FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT coalesce(CASE
        WHEN OLD.status IS NULL THEN NEW.status IN ('sent', 'failed', 'rejected', 'cancelled')
        WHEN OLD.status = 'sent' THEN NEW.status IN ('delivered', 'failed')
    END, false))
    EXECUTE FUNCTION refuse_status_move('message')
    """,
    """
    CREATE TRIGGER batch_moves BEFORE UPDATE OF status ON batches FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT coalesce(CASE OLD.status
        WHEN 'admitted' THEN NEW.status IN ('scheduled', 'queued', 'done')
        WHEN 'scheduled' THEN NEW.status = 'queued'
        WHEN 'queued' THEN NEW.status = 'sending'
        WHEN 'sending' THEN NEW.status IN ('queued', 'done')
        WHEN 'waiting' THEN NEW.status = 'queued'
    END, false))
    EXECUTE FUNCTION refuse_status_move('batch')
    """,
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the ledger is only ever added to' USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER ledger_is_kept BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change()
    """,
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("subscribes", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'suspended')", name=op.f("accounts_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint("name", name=op.f("accounts_name_key")),
    )
    op.create_table(
        "batches",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("first_id", sa.Uuid(), nullable=False),
        sa.Column("last_id", sa.Uuid(), nullable=False),
        sa.Column("marked", sa.Uuid(), nullable=True),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("recorded", sa.Uuid(), nullable=True),
        sa.Column("fence", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claims", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("hinted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hints", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("attempt", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("round", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("tried", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("class IN ('otp', 'transactional', 'bulk')", name=op.f("batches_class")),
        sa.CheckConstraint(
            "status IN ('admitted', 'scheduled', 'queued', 'sending', 'waiting', 'done')", name=op.f("batches_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("batches_pkey")),
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "batches_due",
        "batches",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('scheduled', 'waiting')"),
    )
    op.create_index(
        "batches_hinted",
        "batches",
        ["hinted_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('admitted', 'queued')"),
    )
    op.create_index(
        "batches_leased", "batches", ["lease_until"], unique=False, postgresql_where=sa.text("status = 'sending'")
    )
    op.create_table(
        "carriers",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('active', 'paused')", name=op.f("carriers_state")),
        sa.PrimaryKeyConstraint("name", name=op.f("carriers_pkey")),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('scheduled', 'queued', 'sent', 'delivered', 'failed', 'rejected', 'cancelled')",
            name=op.f("events_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("events_pkey")),
    )
    op.create_table(
        "idempotency",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "scope", "key", name=op.f("idempotency_pkey")),
    )
    op.create_index(op.f("idempotency_created_at"), "idempotency", ["created_at"], unique=False)
    op.create_table(
        "ledger",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("from_book", sa.Text(), nullable=False),
        sa.Column("to_book", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("from_book IN ('outside', 'wallet', 'held', 'earned')", name=op.f("ledger_from_book")),
        sa.CheckConstraint("kind IN ('topup', 'grant', 'hold', 'capture', 'release')", name=op.f("ledger_kind")),
        sa.CheckConstraint("to_book IN ('outside', 'wallet', 'held', 'earned')", name=op.f("ledger_to_book")),
        sa.CheckConstraint("amount > 0", name=op.f("ledger_amount")),
        sa.CheckConstraint("from_book <> to_book", name=op.f("ledger_books")),
        sa.PrimaryKeyConstraint("id", name=op.f("ledger_pkey")),
    )
    op.create_index("ledger_batch", "ledger", ["batch_id"], unique=False)
    op.create_index(
        "ledger_one_hold", "ledger", ["batch_id", "unit"], unique=True, postgresql_where=sa.text("kind = 'hold'")
    )
    op.create_table(
        "messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("encoding", sa.Text(), nullable=True),
        sa.Column("segments", sa.SmallInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("quota", sa.SmallInteger(), nullable=True),
        sa.Column("money", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("final_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("encoding IN ('GSM7', 'UCS2')", name=op.f("messages_encoding")),
        sa.CheckConstraint("money IN ('held', 'captured', 'released')", name=op.f("messages_money")),
        sa.CheckConstraint(
            "status IN ('scheduled', 'queued', 'sent', 'delivered', 'failed', 'rejected', 'cancelled')",
            name=op.f("messages_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("messages_pkey")),
        postgresql_partition_by="RANGE (id)",
    )
    op.create_table(
        "provider_attempts",
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.SmallInteger(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("carrier_ref", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("late_outcome", sa.Text(), nullable=True),
        sa.Column("late_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "late_outcome IN ('accepted', 'refused_permanent', 'refused_transient', 'not_written', 'unknown')",
            name=op.f("provider_attempts_late_outcome"),
        ),
        sa.CheckConstraint(
            "outcome IN ('accepted', 'refused_permanent', 'refused_transient', 'not_written', 'unknown')",
            name=op.f("provider_attempts_outcome"),
        ),
        sa.PrimaryKeyConstraint("message_id", "n", name=op.f("provider_attempts_pkey")),
        postgresql_partition_by="RANGE (message_id)",
    )
    op.create_index(
        "provider_attempts_carrier_ref",
        "provider_attempts",
        ["carrier_ref", "carrier"],
        unique=False,
        postgresql_where=sa.text("carrier_ref IS NOT NULL"),
    )
    op.create_index(
        "provider_attempts_unknown",
        "provider_attempts",
        ["marked_at"],
        unique=False,
        postgresql_where=sa.text("outcome = 'unknown'"),
    )
    op.create_table(
        "receipts",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("carrier_ref", sa.Text(), nullable=True),
        sa.Column("ref", sa.Uuid(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("raw", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="waiting", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('waiting', 'applied', 'ignored', 'orphaned')", name=op.f("receipts_state")),
        sa.CheckConstraint("verdict IN ('delivered', 'failed', 'pending')", name=op.f("receipts_verdict")),
        sa.PrimaryKeyConstraint("id", name=op.f("receipts_pkey")),
        sa.UniqueConstraint("carrier", "key", name=op.f("receipts_carrier_key_key")),
    )
    op.create_index(op.f("receipts_carrier_ref"), "receipts", ["carrier_ref"], unique=False)
    op.create_index(op.f("receipts_ref"), "receipts", ["ref"], unique=False)
    op.create_index("receipts_due", "receipts", ["due_at"], unique=False, postgresql_where=sa.text("state = 'waiting'"))
    op.create_table(
        "requests",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("class", sa.Text(), nullable=True),
        sa.Column("test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("first_message", sa.Uuid(), nullable=True),
        sa.Column("recipients", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("refusals", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=True),
        sa.Column("send_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("requests_pkey")),
    )
    op.create_table(
        "prices",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("per_segment", sa.BigInteger(), nullable=False),
        sa.Column("from_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("per_segment >= 0", name=op.f("prices_per_segment")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("prices_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("prices_pkey")),
        sa.UniqueConstraint(
            "account_id",
            "destination",
            "currency",
            "from_at",
            name=op.f("prices_account_id_destination_currency_from_at_key"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "quotas",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("used BETWEEN 0 AND granted", name=op.f("quotas_used")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("quotas_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", "month", name=op.f("quotas_pkey")),
    )
    op.create_table(
        "routes",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("destination", sa.Text(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("rank", sa.SmallInteger(), server_default=sa.text("1"), nullable=False),
        sa.Column("weight", sa.SmallInteger(), server_default=sa.text("100"), nullable=False),
        sa.CheckConstraint("weight > 0", name=op.f("routes_weight")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("routes_account_id_fkey")),
        sa.ForeignKeyConstraint(["carrier"], ["carriers.name"], name=op.f("routes_carrier_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("routes_pkey")),
        sa.UniqueConstraint(
            "account_id",
            "destination",
            "carrier",
            name=op.f("routes_account_id_destination_carrier_key"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.create_table(
        "sender_ids",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="approved", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("state IN ('pending', 'approved', 'rejected')", name=op.f("sender_ids_state")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("sender_ids_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", "sender", name=op.f("sender_ids_pkey")),
    )
    op.create_table(
        "templates",
        sa.Column("id", sa.Uuid(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("templates_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("templates_pkey")),
        sa.UniqueConstraint("account_id", "slug", name=op.f("templates_account_id_slug_key")),
    )
    op.create_table(
        "wallets",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("balance", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("credit_limit", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.CheckConstraint("balance >= -credit_limit", name=op.f("wallets_limit")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("wallets_account_id_fkey")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("wallets_pkey")),
    )
    op.create_table(
        "stumbles",
        sa.Column("request_id", sa.Uuid(), nullable=False),
        sa.Column("tries", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name=op.f("stumbles_pkey")),
    )
    for statement in _GUARDS:
        op.execute(statement)
    for table in ("messages", "provider_attempts"):
        # rows outside all days' partitions; `maintain` creates those ahead of time, so it stays empty
        op.execute(f"CREATE TABLE {table}_beyond PARTITION OF {table} DEFAULT")
    op.execute("INSERT INTO carriers (name, kind) VALUES ('simulated', 'simulated')")


def downgrade() -> None:
    """Take back."""
    for table in _TABLES:
        op.execute(f"DROP TABLE {table}")
    op.execute("DROP FUNCTION refuse_status_move, refuse_change")
