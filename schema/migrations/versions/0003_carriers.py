"""Carriers: capabilities and costs, routing snapshots, inbound messages, opt-outs, keywords, quiet hours."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "inbound",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("part_ref", sa.Integer(), nullable=True),
        sa.Column("part", sa.SmallInteger(), nullable=True),
        sa.Column("of", sa.SmallInteger(), nullable=True),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.Text(), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("action IN ('stop', 'start', 'help', 'keep')", name=op.f("inbound_action")),
        sa.PrimaryKeyConstraint("id", name=op.f("inbound_pkey")),
        sa.UniqueConstraint("carrier", "key", name=op.f("inbound_carrier_key_key")),
    )
    op.create_index(op.f("inbound_account_id_received_at"), "inbound", ["account_id", "received_at"], unique=False)
    op.create_index(
        "inbound_new", "inbound", ["received_at"], unique=False, postgresql_where=sa.text("handled_at IS NULL")
    )
    op.create_index(
        "inbound_parts",
        "inbound",
        ["phone", "part_ref"],
        unique=False,
        postgresql_where=sa.text("handled_at IS NULL AND part_ref IS NOT NULL"),
    )
    op.create_index(
        "inbound_replies", "inbound", ["received_at"], unique=False, postgresql_where=sa.text("reply IS NOT NULL")
    )
    op.create_table(
        "networks",
        sa.Column("prefix", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("prefix", name=op.f("networks_pkey")),
    )
    op.create_table(
        "opt_outs",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "phone", "sender", "class", name=op.f("opt_outs_pkey")),
    )
    op.create_table(
        "parts",
        sa.Column("carrier", sa.Text(), nullable=False),
        sa.Column("carrier_ref", sa.Text(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("n", sa.SmallInteger(), nullable=False),
        sa.Column("part", sa.SmallInteger(), nullable=False),
        sa.Column("of", sa.SmallInteger(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("code", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("verdict IN ('delivered', 'failed', 'pending')", name=op.f("parts_verdict")),
        sa.PrimaryKeyConstraint("carrier", "carrier_ref", name=op.f("parts_pkey")),
    )
    op.create_index(op.f("parts_created_at"), "parts", ["created_at"], unique=False)
    op.create_index(op.f("parts_message_id"), "parts", ["message_id"], unique=False)
    op.create_table(
        "situations",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("situations_pkey")),
        sa.UniqueConstraint("digest", name=op.f("situations_digest_key")),
    )
    op.create_table(
        "keywords",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("word", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.CheckConstraint("action IN ('stop', 'start', 'help', 'keep')", name=op.f("keywords_action")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("keywords_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("keywords_pkey")),
        sa.UniqueConstraint(
            "account_id", "word", name=op.f("keywords_account_id_word_key"), postgresql_nulls_not_distinct=True
        ),
    )
    op.create_table(
        "quiet_hours",
        sa.Column("id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column("country", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("from_minute", sa.SmallInteger(), nullable=False),
        sa.Column("until_minute", sa.SmallInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.CheckConstraint("action IN ('defer', 'reject')", name=op.f("quiet_hours_action")),
        sa.CheckConstraint("class IN ('otp', 'transactional', 'bulk')", name=op.f("quiet_hours_class")),
        sa.CheckConstraint(
            "from_minute BETWEEN 0 AND 1439 AND until_minute BETWEEN 0 AND 1439", name=op.f("quiet_hours_minutes")
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("quiet_hours_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("quiet_hours_pkey")),
        sa.UniqueConstraint(
            "account_id",
            "country",
            "class",
            name=op.f("quiet_hours_account_id_country_class_key"),
            postgresql_nulls_not_distinct=True,
        ),
    )
    op.add_column(
        "accounts", sa.Column("countries", postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False)
    )
    op.add_column("batches", sa.Column("again", sa.Text(), nullable=True))
    op.create_check_constraint(
        op.f("batches_again"), "batches", "again IN ('repeat', 'doubt', 'silence', 'undelivered')"
    )
    op.add_column("batches", sa.Column("situation_id", sa.Integer(), nullable=True))
    op.add_column("batches", sa.Column("watch_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "batches_watched", "batches", ["watch_at"], unique=False, postgresql_where=sa.text("watch_at IS NOT NULL")
    )
    op.add_column("carriers", sa.Column("reason", sa.Text(), nullable=True))
    op.add_column(
        "carriers",
        sa.Column(
            "capabilities", postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False
        ),
    )
    op.add_column("carriers", sa.Column("segments_per_second", sa.Float(), nullable=True))
    op.add_column("carriers", sa.Column("receipt_seconds", sa.Float(), nullable=True))
    op.add_column("carriers", sa.Column("balance", sa.Text(), nullable=True))
    op.add_column("carriers", sa.Column("balance_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("deliveries", sa.Column("person_id", sa.Text(), nullable=True))
    op.drop_constraint(op.f("deliveries_status"), "deliveries", type_="check")
    op.create_check_constraint(
        op.f("deliveries_status"),
        "deliveries",
        "status IN ('scheduled', 'queued', 'sent', 'delivered', 'failed', 'rejected', 'cancelled',"
        " 'number_created', 'number_deleted')",
    )
    op.add_column("persons", sa.Column("test", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("provider_attempts", sa.Column("look_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "provider_attempts", sa.Column("looks", sa.SmallInteger(), server_default=sa.text("0"), nullable=False)
    )
    op.add_column("provider_attempts", sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True))
    op.create_index(
        "provider_attempts_doubtful",
        "provider_attempts",
        [sa.text("coalesce(look_at, marked_at)")],
        unique=False,
        postgresql_where=sa.text("outcome = 'unknown' AND resolved_at IS NULL"),
    )
    op.create_index(
        "provider_attempts_recorded",
        "provider_attempts",
        ["recorded_at"],
        unique=False,
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    )
    op.add_column("receipts", sa.Column("retryable", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column(
        "requests", sa.Column("skips_opt_outs", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.add_column("routes", sa.Column("cost", sa.BigInteger(), nullable=True))
    op.add_column("routes", sa.Column("currency", sa.Text(), nullable=True))
    op.add_column(
        "routes", sa.Column("from_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False)
    )
    op.add_column("routes", sa.Column("until_at", sa.DateTime(timezone=True), nullable=True))
    op.create_check_constraint(op.f("routes_cost"), "routes", "cost >= 0")
    op.drop_constraint(op.f("routes_weight"), "routes", type_="check")
    op.create_check_constraint(op.f("routes_weight"), "routes", "weight >= 0")
    op.drop_constraint(op.f("routes_account_id_destination_carrier_key"), "routes", type_="unique")
    op.create_unique_constraint(
        op.f("routes_account_id_destination_carrier_from_at_key"),
        "routes",
        ["account_id", "destination", "carrier", "from_at"],
        postgresql_nulls_not_distinct=True,
    )
    op.drop_constraint(op.f("carriers_state"), "carriers", type_="check")
    op.execute("UPDATE carriers SET state = 'drained' WHERE state = 'paused'")
    op.create_check_constraint(op.f("carriers_state"), "carriers", "state IN ('active', 'drained')")


def downgrade() -> None:
    """Take back."""
    op.execute("ALTER TABLE carriers DROP CONSTRAINT carriers_state")
    op.execute("UPDATE carriers SET state = 'paused' WHERE state = 'drained'")
    op.create_check_constraint(op.f("carriers_state"), "carriers", "state IN ('active', 'paused')")
    op.execute("DROP TABLE inbound, networks, opt_outs, parts, situations, keywords, quiet_hours")
    op.execute("ALTER TABLE accounts DROP countries")
    op.execute("ALTER TABLE batches DROP again, DROP situation_id, DROP watch_at")
    op.execute(
        "ALTER TABLE carriers DROP reason, DROP capabilities, DROP segments_per_second, DROP receipt_seconds,"
        " DROP balance, DROP balance_at"
    )
    op.execute("DELETE FROM deliveries WHERE person_id IS NOT NULL")
    op.execute("ALTER TABLE deliveries DROP person_id, DROP CONSTRAINT deliveries_status")
    op.create_check_constraint(
        op.f("deliveries_status"),
        "deliveries",
        "status IN ('scheduled', 'queued', 'sent', 'delivered', 'failed', 'rejected', 'cancelled')",
    )
    op.execute("ALTER TABLE persons DROP test")
    op.execute("DROP INDEX provider_attempts_recorded")
    op.execute("ALTER TABLE provider_attempts DROP look_at, DROP looks, DROP resolved_at")
    op.execute("ALTER TABLE requests DROP skips_opt_outs")
    op.execute("ALTER TABLE receipts DROP retryable")
    op.execute(
        "DELETE FROM routes AS r USING routes AS later WHERE later.account_id IS NOT DISTINCT FROM r.account_id"
        " AND later.destination = r.destination AND later.carrier = r.carrier AND later.from_at > r.from_at"
    )
    op.execute("ALTER TABLE routes DROP CONSTRAINT routes_weight")
    op.execute("UPDATE routes SET weight = 1 WHERE weight = 0")
    op.create_check_constraint(op.f("routes_weight"), "routes", "weight > 0")
    op.execute("ALTER TABLE routes DROP CONSTRAINT routes_account_id_destination_carrier_from_at_key")
    op.execute("ALTER TABLE routes DROP cost, DROP currency, DROP from_at, DROP until_at")
    op.create_unique_constraint(
        op.f("routes_account_id_destination_carrier_key"),
        "routes",
        ["account_id", "destination", "carrier"],
        postgresql_nulls_not_distinct=True,
    )
