"""Daily partitions of messages, provider_attempts and campaign_rows, by range of the UUIDv7 id."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import Connection

from pipeline.rules.identity import ids

#: fillfactor: rows are updated in place (HOT)
_FILLFACTOR = {"messages": 50, "provider_attempts": 90, "campaign_rows": 70}

#: table → its partition column
_KEYS = {"messages": "id", "provider_attempts": "message_id", "campaign_rows": "campaign_id"}

_THERE = "SELECT to_regclass(%(name)s) IS NOT NULL"
_MAKE = "CREATE TABLE {name} (LIKE {table} INCLUDING ALL) WITH (fillfactor = {fillfactor})"
#: rows that were inserted before their day's partition existed are in `*_beyond`
_FETCH = """
WITH early AS (DELETE FROM {table}_beyond WHERE {key} >= '{low}' AND {key} < '{high}' RETURNING *)
INSERT INTO {name} SELECT * FROM early
"""
_ATTACH = "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')"


def prepare(conn: Connection, days: Iterable[date]) -> list[str]:
    """Create missing partitions for these days; return their names."""
    made = []
    for day in days:
        low, high = ids.day_bounds(day)
        for table, fillfactor in _FILLFACTOR.items():
            name = f"{table}_{day:%Y%m%d}"
            if conn.exec_driver_sql(_THERE, {"name": name}).scalar():
                continue
            for step in (_MAKE, _FETCH, _ATTACH):
                words = {"name": name, "table": table, "key": _KEYS[table], "low": low, "high": high}
                conn.exec_driver_sql(step.format(fillfactor=fillfactor, **words))
            made.append(name)
    return made


_NAMES = """
SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%(table)s) AND c.relname ~ '_[0-9]{8}$' AND right(c.relname, 8) < %(day)s
ORDER BY c.relname LIMIT %(limit)s
"""


def before(conn: Connection, table: str, day: date, limit: int) -> dict[str, date]:
    """Return partition → its day, of up to `limit` partitions of a table before a day, the oldest first."""
    names = conn.exec_driver_sql(_NAMES, {"table": table, "day": f"{day:%Y%m%d}", "limit": limit}).scalars()
    return {name: datetime.strptime(f"{name[-8:]}Z", "%Y%m%d%z").date() for name in names}


#: a long wait for the table's lock would stop everything behind it
_BRIEFLY = "SET LOCAL lock_timeout = '500ms'"


def drop(conn: Connection, name: str) -> None:
    """Drop a partition; fails after half a second if transactions use its table."""
    conn.exec_driver_sql(_BRIEFLY)
    conn.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
