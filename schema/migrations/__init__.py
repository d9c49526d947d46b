"""Alembic's migrations: how the database came to be what `schema.tables` says."""
