"""Advisory locks: of all the clocks that strike at once, one does the work."""

from sqlalchemy import Connection

_TRY = "SELECT pg_try_advisory_xact_lock(hashtext('postroad'), hashtext(%(name)s))"


def is_mine(conn: Connection, name: str) -> bool:
    """Take the tick of this name until the transaction ends; False: somebody else has it."""
    return bool(conn.exec_driver_sql(_TRY, {"name": name}).scalar())
