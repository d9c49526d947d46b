"""Alembic migrations that create the schema in `schema.tables`."""
