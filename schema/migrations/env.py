"""How Alembic runs here: on the connection that `postroad migrate` hands it, in one transaction."""

from alembic import context

from schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # the daily partitions are made by `tend`, not by migrations
    include_name=lambda name, kind, _parents: kind != "table" or name in metadata.tables,
)
with context.begin_transaction():
    context.run_migrations()
