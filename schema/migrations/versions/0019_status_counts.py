"""Counters of status changes, by minute and by day; those of existing messages are counted from their rows."""

import sqlalchemy as sa
from alembic import op

revision: str = "0019"
down_revision: str | None = "0018"

_DIMENSIONS = ("account_id", "campaign_id", "country", "carrier", "class", "test", "before", "status")
#: each message as the changes it went through, on the days when it did
_COUNT = """
WITH changes AS (
    SELECT c.day, m.account_id, b.campaign_id, m.country, b.carrier, b.class, b.test, c.before, c.status, m.segments,
           CASE WHEN m.money = 'captured' AND c.earns THEN m.amount ELSE 0 END AS revenue
    FROM messages AS m JOIN batches AS b ON b.id = m.batch_id
    CROSS JOIN LATERAL (
        SELECT b.created_at AS day, '' AS before, 'queued' AS status, false AS earns
        WHERE m.encoding IS NOT NULL AND (m.status IS DISTINCT FROM 'rejected' OR m.money IS NOT NULL)
        UNION ALL SELECT m.sent_at, 'queued', 'sent', true WHERE m.sent_at IS NOT NULL
        UNION ALL SELECT m.final_at,
                         CASE WHEN m.sent_at IS NOT NULL THEN 'sent' WHEN m.encoding IS NULL THEN ''
                              WHEN m.status = 'rejected' AND m.money IS NULL THEN '' ELSE 'queued' END,
                         m.status, false
        WHERE m.status IN ('delivered', 'failed', 'rejected', 'cancelled')
    ) AS c
)
INSERT INTO status_counts_by_day
SELECT date_trunc('day', day, 'UTC'), account_id, campaign_id, country, carrier, class, test, before, status,
       count(*), coalesce(sum(segments), 0), sum(revenue)
FROM changes GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
"""


def upgrade() -> None:
    """Apply."""
    for table, time in (
        ("status_changes", "minute"),
        ("status_counts_by_minute", "minute"),
        ("status_counts_by_day", "day"),
    ):
        op.create_table(
            table,
            sa.Column(time, sa.DateTime(timezone=True), nullable=False),
            sa.Column("account_id", sa.Integer(), nullable=False),
            sa.Column("campaign_id", sa.Uuid(), nullable=True),
            sa.Column("country", sa.Text(), nullable=False),
            sa.Column("carrier", sa.Text(), nullable=False),
            sa.Column("class", sa.Text(), nullable=False),
            sa.Column("test", sa.Boolean(), nullable=False),
            sa.Column("before", sa.Text(), nullable=False),
            sa.Column("status", sa.Text(), nullable=False),
            sa.Column("messages", sa.BigInteger(), nullable=False),
            sa.Column("segments", sa.BigInteger(), nullable=False),
            sa.Column("revenue", sa.BigInteger(), nullable=False),
        )
        if table != "status_changes":
            op.create_index(
                f"{table}_key", table, [time, *_DIMENSIONS], unique=True, postgresql_nulls_not_distinct=True
            )
    is_campaigns = sa.text("campaign_id IS NOT NULL")
    op.create_index(
        "status_counts_by_minute_campaign",
        "status_counts_by_minute",
        ["campaign_id", "minute"],
        postgresql_where=is_campaigns,
    )
    op.create_index("status_counts_by_day_account", "status_counts_by_day", ["account_id", "day"])
    op.create_index(
        "status_counts_by_day_campaign", "status_counts_by_day", ["campaign_id"], postgresql_where=is_campaigns
    )
    op.execute(_COUNT)


def downgrade() -> None:
    """Take back."""
    for table in ("status_counts_by_day", "status_counts_by_minute", "status_changes"):
        op.drop_table(table)
