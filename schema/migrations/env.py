"""Alembic environment: runs migrations in one transaction, on the connection that `postroad migrate` passes in."""

from alembic import context

from schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # daily partitions are created by `maintain`, not by migrations
    include_name=lambda name, kind, _parents: kind != "table" or name in metadata.tables,
)
with context.begin_transaction():
    context.run_migrations()
