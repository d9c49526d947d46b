"""Campaigns: definition and state, progress, rows; batches know theirs, and may end without being sent."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0018"
down_revision: str | None = "0017"

#: as pipeline/rules/campaign_lifecycle.py; finished only when every row has its outcome
_CAMPAIGN_MOVES = (
    """
    CREATE FUNCTION refuse_campaign_move() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'campaign %: % may not become %', OLD.id, OLD.state, NEW.state
            USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER campaign_moves BEFORE UPDATE OF state ON campaigns FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND NOT coalesce(CASE OLD.state
        WHEN 'draft' THEN NEW.state IN ('checking', 'aborted')
        WHEN 'checking' THEN NEW.state IN ('quoted', 'failed', 'aborted')
        WHEN 'failed' THEN NEW.state IN ('checking', 'aborted')
        WHEN 'quoted' THEN NEW.state IN ('checking', 'stale', 'approved', 'aborted')
        WHEN 'stale' THEN NEW.state IN ('checking', 'aborted')
        WHEN 'approved' THEN NEW.state IN ('checking', 'stale', 'scheduled', 'running', 'aborted')
        WHEN 'scheduled' THEN NEW.state IN ('running', 'paused', 'expired', 'aborted')
        WHEN 'running' THEN NEW.state IN ('paused', 'finished', 'expired', 'aborted')
        WHEN 'paused' THEN NEW.state IN ('scheduled', 'running', 'expired', 'aborted')
    END, false))
    EXECUTE FUNCTION refuse_campaign_move()
    """,
    """
    CREATE FUNCTION refuse_early_finish() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NOT EXISTS (SELECT FROM campaign_progress WHERE campaign_id = NEW.id
                       AND skipped + sent + left_out = rows) THEN
            RAISE EXCEPTION 'campaign %: % before each row is sent, skipped, fenced or expired', NEW.id, NEW.state
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER campaign_is_whole BEFORE UPDATE OF state ON campaigns FOR EACH ROW
    WHEN (NEW.state IN ('finished', 'aborted', 'expired')) EXECUTE FUNCTION refuse_early_finish()
    """,
    """
    CREATE TRIGGER audited AFTER INSERT OR UPDATE OR DELETE ON campaigns FOR EACH ROW
    EXECUTE FUNCTION log_row('{account_id,name}', '{}', '{id,quote,quote_hash}')
    """,
)
_BATCH_MOVES = """
    CREATE TRIGGER batch_moves BEFORE UPDATE OF status ON batches FOR EACH ROW
    WHEN (OLD.status IS DISTINCT FROM NEW.status AND NOT coalesce(CASE OLD.status
        WHEN 'admitted' THEN NEW.status IN ('scheduled', 'queued', 'done')
        WHEN 'scheduled' THEN NEW.status IN ('queued'{ended})
        WHEN 'queued' THEN NEW.status IN ('sending'{ended})
        WHEN 'sending' THEN NEW.status IN ('queued', 'done')
        WHEN 'waiting' THEN NEW.status IN ('queued'{ended})
    END, false))
    EXECUTE FUNCTION refuse_status_move('batch')
"""
_INDEXES = {
    "batches_held_campaign": "held = 'campaign'",
    "batches_of_campaign": "campaign_id IS NOT NULL AND status <> 'done'",
}


def upgrade() -> None:
    """Apply."""
    _create_tables()
    op.add_column("batches", sa.Column("campaign_id", sa.Uuid(), nullable=True))
    _hold_for("'account', 'carrier', 'campaign'")
    for name, condition in _INDEXES.items():
        op.create_index(name, "batches", ["campaign_id"], postgresql_where=sa.text(condition))
    op.add_column("accounts", sa.Column("four_eyes_above", sa.BigInteger(), nullable=True))
    op.execute("DROP TRIGGER batch_moves ON batches")
    op.execute(_BATCH_MOVES.format(ended=", 'done'"))
    for statement in _CAMPAIGN_MOVES:
        op.execute(statement)


def downgrade() -> None:
    """Take back; batches of campaigns go on as others do."""
    op.execute("DROP TRIGGER batch_moves ON batches")
    op.execute(_BATCH_MOVES.format(ended=""))
    op.execute("UPDATE batches SET held = NULL WHERE held = 'campaign'")
    _hold_for("'account', 'carrier'")
    for name in _INDEXES:
        op.drop_index(name, "batches")
    op.drop_column("batches", "campaign_id")
    op.drop_column("accounts", "four_eyes_above")
    for table in ("campaign_rows", "campaign_progress", "campaigns"):
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_campaign_move, refuse_early_finish")


def _hold_for(reasons: str) -> None:
    op.drop_constraint(op.f("batches_held"), "batches")
    op.create_check_constraint(op.f("batches_held"), "batches", f"held IN ({reasons})")


def _create_tables() -> None:
    op.create_table(
        "campaigns",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="draft", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("class", sa.Text(), nullable=False),
        sa.Column("test", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=True),
        sa.Column("merge", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("country", sa.Text(), nullable=True),
        _instant("send_at"),
        _instant("valid_until"),
        sa.Column("duplicates", sa.Text(), server_default="drop", nullable=False),
        sa.Column("per_hour", sa.Integer(), nullable=True),
        sa.Column("segments_per_second", sa.Float(), nullable=True),
        sa.Column("canary", sa.Integer(), nullable=True),
        sa.Column("canary_soak", sa.Integer(), nullable=True),
        sa.Column("gates", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("quote", postgresql.JSONB(), nullable=True),
        _instant("quoted_at"),
        _instant("quote_until"),
        sa.Column("quote_hash", sa.LargeBinary(), nullable=True),
        sa.Column("max_cost", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=True),
        _instant("created_at", is_now=True),
        _instant("approved_at"),
        _instant("started_at"),
        _instant("ended_at"),
        sa.CheckConstraint(
            "state IN ('draft', 'checking', 'failed', 'quoted', 'stale', 'approved', 'scheduled', 'running', 'paused', "
            "'finished', 'aborted', 'expired')",
            name=op.f("campaigns_state"),
        ),
        sa.CheckConstraint("class IN ('otp', 'transactional', 'bulk')", name=op.f("campaigns_class")),
        sa.CheckConstraint("duplicates IN ('drop', 'keep', 'refuse')", name=op.f("campaigns_duplicates")),
        sa.CheckConstraint("per_hour > 0", name=op.f("campaigns_per_hour")),
        sa.CheckConstraint("segments_per_second > 0", name=op.f("campaigns_segments_per_second")),
        sa.CheckConstraint("canary > 0", name=op.f("campaigns_canary")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("campaigns_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("campaigns_pkey")),
        sa.UniqueConstraint("account_id", "name", name=op.f("campaigns_account_id_name_key")),
    )
    op.create_index(
        "campaigns_active",
        "campaigns",
        ["id"],
        postgresql_where=sa.text("state IN ('checking', 'scheduled', 'running', 'paused')"),
    )
    op.create_index(op.f("campaigns_account_id_id"), "campaigns", ["account_id", "id"])
    op.create_table(
        "campaign_progress",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        _count("rows"),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        _count("checked_line"),
        sa.Column("tally", postgresql.JSONB(), nullable=True),
        _count("expanded_line"),
        _count("skipped"),
        _count("sent"),
        _count("left_out"),
        _count("segments", sa.BigInteger()),
        _count("amount", sa.BigInteger()),
        _instant("paced_from"),
        _count("paced_sent"),
        _count("paced_segments"),
        _instant("worked_at", is_now=True),
        sa.CheckConstraint("skipped + sent + left_out <= rows", name=op.f("campaign_progress_rows")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("campaign_progress_campaign_id_fkey")),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("campaign_progress_pkey")),
        postgresql_with={"fillfactor": "50"},
    )
    op.create_table(
        "campaign_rows",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("correlation_id", sa.Text(), nullable=True),
        sa.Column("merge", postgresql.JSONB(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("canary", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("request_id", sa.Uuid(), nullable=True),
        sa.Column("place", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", "line", name=op.f("campaign_rows_pkey")),
        postgresql_partition_by="RANGE (campaign_id)",
    )
    op.create_index(
        "campaign_rows_canary", "campaign_rows", ["campaign_id", "line"], postgresql_where=sa.text("canary")
    )
    op.execute("CREATE TABLE campaign_rows_beyond PARTITION OF campaign_rows DEFAULT")


def _instant(name: str, *, is_now: bool = False) -> sa.Column:  # type: ignore[type-arg]
    at = sa.DateTime(timezone=True)
    return sa.Column(name, at, server_default=sa.text("now()") if is_now else None, nullable=not is_now)


def _count(name: str, kind: sa.types.TypeEngine | None = None) -> sa.Column:  # type: ignore[type-arg]
    return sa.Column(name, kind or sa.Integer(), server_default=sa.text("0"), nullable=False)
