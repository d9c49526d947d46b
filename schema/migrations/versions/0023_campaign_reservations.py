"""Campaigns that hold their whole quote when they begin: reservations, and their book in the ledger."""

import sqlalchemy as sa
from alembic import op

revision: str = "0023"
down_revision: str | None = "0022"


def upgrade() -> None:
    """Apply."""
    op.add_column("campaigns", sa.Column("reserve", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("ledger", sa.Column("campaign_id", sa.Uuid(), nullable=True))
    _allow(
        kinds="'topup', 'grant', 'reserve', 'hold', 'capture', 'release'",
        books="'outside', 'wallet', 'reserved', 'held', 'earned'",
    )
    op.create_table(
        "campaign_reservations",
        sa.Column("campaign_id", sa.Uuid(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("quota", sa.Integer(), nullable=False),
        sa.Column("month", sa.Date(), nullable=False),
        sa.CheckConstraint("amount >= 0", name=op.f("campaign_reservations_amount")),
        sa.CheckConstraint("quota >= 0", name=op.f("campaign_reservations_quota")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("campaign_reservations_account_id_fkey")),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.id"], name=op.f("campaign_reservations_campaign_id_fkey")),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("campaign_reservations_pkey")),
    )


#: what batches drew from a reservation comes from the wallet then, and what nothing drew goes back to it
_DISSOLVE = (
    "ALTER TABLE ledger DISABLE TRIGGER ledger_is_kept",
    "DELETE FROM ledger WHERE to_book = 'reserved' OR (from_book = 'reserved' AND kind = 'release')",
    "UPDATE ledger SET from_book = 'wallet' WHERE from_book = 'reserved'",
    "ALTER TABLE ledger ENABLE TRIGGER ledger_is_kept",
    """
    UPDATE wallets AS w SET balance = balance + r.amount
    FROM (SELECT account_id, sum(amount)::int8 AS amount FROM campaign_reservations GROUP BY account_id) AS r
    WHERE r.account_id = w.account_id
    """,
    """
    UPDATE quotas AS q SET used = used - r.quota
    FROM (SELECT account_id, month, sum(quota)::int4 AS quota FROM campaign_reservations GROUP BY 1, 2) AS r
    WHERE r.account_id = q.account_id AND r.month = q.month
    """,
)


def downgrade() -> None:
    """Take back; campaigns hold their money batch by batch then."""
    for statement in _DISSOLVE:
        op.execute(statement)
    op.drop_table("campaign_reservations")
    _allow(kinds="'topup', 'grant', 'hold', 'capture', 'release'", books="'outside', 'wallet', 'held', 'earned'")
    op.drop_column("ledger", "campaign_id")
    op.drop_column("campaigns", "reserve")


def _allow(*, kinds: str, books: str) -> None:
    for column, words in (("kind", kinds), ("from_book", books), ("to_book", books)):
        op.drop_constraint(op.f(f"ledger_{column}"), "ledger")
        op.create_check_constraint(op.f(f"ledger_{column}"), "ledger", f"{column} IN ({words})")
