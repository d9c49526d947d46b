"""Campaigns: a series repeats by a recurrence rule, each occurrence a campaign of its own."""

import sqlalchemy as sa
from alembic import op

revision: str = "0027"
down_revision: str | None = "0026"

_REFERENCES = ("series_id", "copies_from", "approved_with")
_INDEXES = {
    "campaigns_repeating": ("repeat_next_at", "repeat_next_at IS NOT NULL"),
    "campaigns_copied": ("id", "copies_from IS NOT NULL AND ended_at IS NULL"),
}


def upgrade() -> None:
    """Apply."""
    at, text = sa.DateTime(timezone=True), sa.Text()
    for name, kind in (
        *(("repeat", text), ("time_zone", text), ("series_id", sa.Uuid()), ("occurs_on", sa.Date())),
        *(("repeat_next_at", at), ("repeat_ended", text), ("copies_from", sa.Uuid()), ("approved_with", sa.Uuid())),
    ):
        op.add_column("campaigns", sa.Column(name, kind, nullable=True))
    for name in _REFERENCES:
        op.create_foreign_key(op.f(f"campaigns_{name}_fkey"), "campaigns", "campaigns", [name], ["id"])
    op.create_unique_constraint(op.f("campaigns_series_id_occurs_on_key"), "campaigns", ["series_id", "occurs_on"])
    for name, (column, condition) in _INDEXES.items():
        op.create_index(name, "campaigns", [column], postgresql_where=sa.text(condition))


def downgrade() -> None:
    """Take back: campaigns of a series stay, and nothing follows them."""
    for name in _INDEXES:
        op.drop_index(name, "campaigns")
    for name in (
        *("repeat", "time_zone", "series_id", "occurs_on"),
        *("repeat_next_at", "repeat_ended", "copies_from", "approved_with"),
    ):
        op.drop_column("campaigns", name)
