"""Message jobs: actions on all messages that a search found, and their messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0034"
down_revision: str | None = "0033"

_RESULTS = (
    "'cancelled', 'resent', 'too_late', 'final', 'not_sent', 'test', 'under_way', 'expired', 'held', 'redacted',"
    " 'resent_before', 'no_carrier', 'gone'"
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "message_jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("operation", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default=sa.text("'running'"), nullable=False),
        sa.Column("search", JSONB(), nullable=False),
        sa.Column("left_out", JSONB(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.CheckConstraint("operation IN ('cancel', 'resend')", name=op.f("message_jobs_operation")),
        sa.CheckConstraint("state IN ('running', 'done')", name=op.f("message_jobs_state")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("message_jobs_account_id_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("message_jobs_pkey")),
    )
    op.create_index(
        "message_jobs_running", "message_jobs", ["operation", "id"], postgresql_where=sa.text("state = 'running'")
    )
    op.create_index("message_jobs_account_id_id", "message_jobs", ["account_id", "id"])
    op.create_table(
        "message_job_items",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Uuid(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.CheckConstraint(f"result IN ({_RESULTS})", name=op.f("message_job_items_result")),
        sa.ForeignKeyConstraint(
            ["job_id"], ["message_jobs.id"], name=op.f("message_job_items_job_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("job_id", "place", name=op.f("message_job_items_pkey")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("message_job_items")
    op.drop_table("message_jobs")
