"""The dialects table: vendors' APIs of this version, which API keys and webhook endpoints refer to."""

from collections.abc import Mapping

from sqlalchemy import Connection

_WRITE = """
INSERT INTO dialects (name, has_persons)
SELECT * FROM unnest(%(names)s::text[], %(have_persons)s::bool[])
ON CONFLICT (name) DO UPDATE SET has_persons = excluded.has_persons
"""


def write(conn: Connection, dialects: Mapping[str, bool]) -> None:
    """Insert dialects, name → whether it has person events; existing others stay."""
    conn.exec_driver_sql(_WRITE, {"names": list(dialects), "have_persons": list(dialects.values())})
