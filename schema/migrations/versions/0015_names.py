"""Tables, columns and indexes are renamed to the field's terms: only the catalogue changes, no row is rewritten."""

from collections.abc import Iterable

import sqlalchemy as sa
from alembic import op

revision: str = "0015"
down_revision: str | None = "0014"

_TABLES = (
    ("deliveries", "webhook_deliveries"),
    ("endpoints", "webhook_endpoints"),
    ("idempotency", "idempotency_keys"),
    ("inbound", "inbound_messages"),
    ("keys", "api_keys"),
    ("situations", "routing_snapshots"),
    ("stumbles", "redeliveries"),
)
#: by the tables' names of before
_COLUMNS = (
    ("batches", "again", "resend_reason"),
    ("batches", "situation_id", "routing_snapshot_id"),
    ("deliveries", "lane", "concurrency_key"),
    ("endpoints", "sealed_before", "sealed_previous"),
    ("keys", "hint", "last_characters"),
    ("opt_outs", "said_at", "opted_out_at"),
    ("provider_attempts", "look_at", "check_at"),
    ("provider_attempts", "looks", "checks"),
)
_INDEXES = (
    ("batches_held_look", "batches_held_due"),
    ("provider_attempts_doubtful", "provider_attempts_unresolved"),
)

#: what may be named after a table: its constraints (their indexes follow), other indexes, and sequences
_CONSTRAINTS = "SELECT conname FROM pg_constraint WHERE conrelid = CAST(:table AS regclass)"
_OTHER_INDEXES = """
SELECT c.relname FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = CAST(:table AS regclass)
  AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.conrelid = i.indrelid)
"""
_SEQUENCES = """
SELECT c.relname FROM pg_depend AS d JOIN pg_class AS c ON c.oid = d.objid AND c.relkind = 'S'
WHERE d.classid = 'pg_class'::regclass AND d.refobjid = CAST(:table AS regclass)
"""
#: PostgreSQL renames an inherited constraint in all partitions, and fails where one has another name for it: NOT NULL
#: constraints of a database that pg_upgrade brought to 18. There the parent's keeps its name too
_SAME_IN_PARTITIONS = """
AND NOT EXISTS (
    SELECT FROM pg_inherits AS i WHERE i.inhparent = conrelid
    AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = i.inhrelid AND k.conname = pg_constraint.conname)
)
"""


def _names(query: str, table: str) -> list[str]:
    return list(op.get_bind().execute(sa.text(query), {"table": table}).scalars())


def _rename_column(table: str, old: str, new: str) -> None:
    op.execute(f"ALTER TABLE {table} RENAME {old} TO {new}")
    named = {f"{table}_{old}{end}": f"{table}_{new}{end}" for end in ("", "_not_null")}
    for name in _names(_CONSTRAINTS + _SAME_IN_PARTITIONS, table):
        if name in named:
            op.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {named[name]}")


def _rename_table(old: str, new: str) -> None:
    op.execute(f"ALTER TABLE {old} RENAME TO {new}")
    for query, statement in (
        (_CONSTRAINTS, f"ALTER TABLE {new} RENAME CONSTRAINT {{}} TO {{}}"),
        (_OTHER_INDEXES, "ALTER INDEX {} RENAME TO {}"),
        (_SEQUENCES, "ALTER SEQUENCE {} RENAME TO {}"),
    ):
        for name in _names(query, new):
            if name.startswith(f"{old}_"):
                op.execute(statement.format(name, new + name.removeprefix(old)))


def _rename_indexes(indexes: Iterable[tuple[str, str]]) -> None:
    for old, new in indexes:
        op.execute(f"ALTER INDEX {old} RENAME TO {new}")


def upgrade() -> None:
    """Apply."""
    for table, old, new in _COLUMNS:
        _rename_column(table, old, new)
    for old, new in _TABLES:
        _rename_table(old, new)
    _rename_indexes(_INDEXES)


def downgrade() -> None:
    """Take back."""
    _rename_indexes((old, new) for new, old in _INDEXES)
    for new, old in _TABLES:
        _rename_table(old, new)
    for table, new, old in _COLUMNS:
        _rename_column(table, old, new)
