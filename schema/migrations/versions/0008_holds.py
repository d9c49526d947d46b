"""Holds: why a batch is held that has not failed, and when carriers changed last."""

import sqlalchemy as sa
from alembic import op

revision: str = "0008"
down_revision: str | None = "0007"

_WAITING = {
    "batches_due": ("due_at", "status IN ('scheduled', 'waiting')"),
    "batches_hinted": ("hinted_at", "status IN ('admitted', 'queued')"),
}
_HELD = {
    "batches_held": ("valid_until", "held IS NOT NULL"),
    "batches_held_account": ("account_id", "held = 'account'"),
    "batches_held_carrier": ("hinted_at", "held = 'carrier'"),
    "batches_held_look": ("due_at", "held = 'carrier'"),
}
#: whoever writes them, and however
_NOTE_CHANGES = (
    """
    CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.changed_at = clock_timestamp();
        RETURN NEW;
    END $$
    """,
    """
    CREATE TRIGGER carrier_changes BEFORE UPDATE ON carriers FOR EACH ROW
    WHEN ((OLD.state, OLD.kind, OLD.settings, OLD.capabilities)
          IS DISTINCT FROM (NEW.state, NEW.kind, NEW.settings, NEW.capabilities))
    EXECUTE FUNCTION note_change()
    """,
)


def upgrade() -> None:
    """Apply."""
    op.add_column("batches", sa.Column("held", sa.Text(), nullable=True))
    op.create_check_constraint(op.f("batches_held"), "batches", "held IN ('account', 'carrier')")
    op.create_check_constraint(
        op.f("batches_holdable"), "batches", "held IS NULL OR status IN ('scheduled', 'queued', 'waiting')"
    )
    op.add_column(
        "carriers",
        sa.Column("changed_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
    )
    for statement in _NOTE_CHANGES:
        op.execute(statement)
    for name, (column, condition) in _WAITING.items():
        op.drop_index(name, "batches")
        op.create_index(name, "batches", [column], postgresql_where=sa.text(f"{condition} AND held IS NULL"))
    for name, (column, condition) in _HELD.items():
        op.create_index(name, "batches", [column], postgresql_where=sa.text(condition))


def downgrade() -> None:
    """Take back: what is held is hinted, as anything that waits."""
    for name in _HELD:
        op.drop_index(name, "batches")
    for name, (column, condition) in _WAITING.items():
        op.drop_index(name, "batches")
        op.create_index(name, "batches", [column], postgresql_where=sa.text(condition))
    op.execute("DROP TRIGGER carrier_changes ON carriers")
    op.execute("DROP FUNCTION note_change")
    op.drop_column("carriers", "changed_at")
    op.execute("ALTER TABLE batches DROP held")  # its checks go with it
