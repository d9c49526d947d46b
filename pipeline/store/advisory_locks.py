"""PostgreSQL advisory locks: of all clock processes that tick at once, one does the work."""

from sqlalchemy import Connection

_TRY = "SELECT pg_try_advisory_xact_lock(hashtext('postroad'), hashtext(%(name)s))"


def is_mine(conn: Connection, name: str) -> bool:
    """Try to take the advisory lock of this name until the transaction ends; return False when it is taken."""
    return bool(conn.exec_driver_sql(_TRY, {"name": name}).scalar())
