"""Alembic migrations of the database, and the daily partitions it needs."""

from datetime import date, timedelta
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

import schema.migrations
from pipeline.store import partitions

_LOCK = "SELECT pg_advisory_xact_lock(hashtext('postroad'), hashtext('migrate'))"
_AT = "SELECT version_num FROM alembic_version"
_EXISTS = "SELECT to_regclass('alembic_version') IS NOT NULL"

#: days before and after today that must have partitions
_AROUND = range(-1, 8)


def upgrade(conn: Connection, today: date) -> tuple[str | None, str]:
    """Apply missing migrations and create partitions; return the revisions before and after. Concurrent calls wait."""
    conn.exec_driver_sql(_LOCK)
    before = current(conn)
    command.upgrade(config(conn), "head")
    partitions.prepare(conn, (today + timedelta(days=away) for away in _AROUND))
    return before, head()


def current(conn: Connection) -> str | None:
    """Return the database's revision, or None when it is empty."""
    if not conn.exec_driver_sql(_EXISTS).scalar():
        return None
    return conn.exec_driver_sql(_AT).scalar()


def head() -> str:
    """Return the newest revision this code knows."""
    found = ScriptDirectory.from_config(config(None)).get_current_head()
    assert found
    return found


def config(conn: Connection | None) -> Config:
    """Return Alembic's configuration, bound to a connection."""
    found = Config(attributes={"connection": conn})
    found.set_main_option("script_location", str(Path(schema.migrations.__file__).parent))
    found.set_main_option("path_separator", "os")
    return found
