"""Partitions by range of the UUIDv7 id: by day, or by month (the index of messages)."""

from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Connection

from pipeline.rules.identity import ids

_MONTHLY = {"message_numbers": "message_id", "message_correlations": "message_id"}

#: fillfactor: rows are updated in place (HOT), those of the index of messages never
_FILLFACTOR = {"messages": 50, "provider_attempts": 90, "campaign_rows": 70} | dict.fromkeys(_MONTHLY, 100)

#: table → its partition column
_DAILY = {"messages": "id", "provider_attempts": "message_id", "campaign_rows": "campaign_id"}

_THERE = "SELECT to_regclass(%(name)s) IS NOT NULL"
_MAKE = "CREATE TABLE {name} (LIKE {table} INCLUDING ALL) WITH (fillfactor = {fillfactor})"
#: rows that were inserted before their partition existed are in `*_beyond`
_FETCH = """
WITH early AS (DELETE FROM {table}_beyond WHERE {key} >= '{low}' AND {key} < '{high}' RETURNING *)
INSERT INTO {name} SELECT * FROM early
"""
_ATTACH = "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')"


def prepare(conn: Connection, days: Iterable[date]) -> list[str]:
    """Create missing partitions for these days and their months; return their names."""
    wanted = list(days)
    made = [
        name
        for day in wanted
        for table, key in _DAILY.items()
        if _make(conn, name := f"{table}_{day:%Y%m%d}", table, key, ids.day_bounds(day))
    ]
    return made + prepare_months(conn, {day.replace(day=1) for day in wanted})


def prepare_months(conn: Connection, months: Iterable[date]) -> list[str]:
    """Create missing partitions for the months that begin on these days; return their names."""
    return [
        name
        for month in sorted(months)
        for table, key in _MONTHLY.items()
        if _make(conn, name := f"{table}_{month:%Y%m}", table, key, ids.month_bounds(month))
    ]


def of_month(conn: Connection, table: str, month: date) -> str | None:
    """Return a table's partition for the month that begins on this day; None: there is none."""
    name = f"{table}_{month:%Y%m}"
    return name if conn.exec_driver_sql(_THERE, {"name": name}).scalar() else None


def _make(conn: Connection, name: str, table: str, key: str, bounds: tuple[UUID, UUID]) -> bool:
    """Create a partition; return False if it exists."""
    if conn.exec_driver_sql(_THERE, {"name": name}).scalar():
        return False
    low, high = bounds
    words = {"name": name, "table": table, "key": key, "low": low, "high": high, "fillfactor": _FILLFACTOR[table]}
    for step in (_MAKE, _FETCH, _ATTACH):
        conn.exec_driver_sql(step.format(**words))
    return True


_NAMES = """
SELECT c.relname FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%(table)s) AND c.relname ~ '_[0-9]{8}$' AND right(c.relname, 8) < %(day)s
ORDER BY c.relname LIMIT %(limit)s
"""


def before(conn: Connection, table: str, day: date, limit: int) -> dict[str, date]:
    """Return partition → its day, of up to `limit` partitions of a table before a day, the oldest first."""
    names = conn.exec_driver_sql(_NAMES, {"table": table, "day": f"{day:%Y%m%d}", "limit": limit}).scalars()
    return {name: datetime.strptime(f"{name[-8:]}Z", "%Y%m%d%z").date() for name in names}


_OUTLIVED = """
SELECT p.relname FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhrelid
WHERE i.inhparent = ANY(%(tables)s::regclass[]) AND p.relname ~ '_[0-9]{6}$' AND right(p.relname, 6) < %(month)s
  AND NOT EXISTS (
      SELECT FROM pg_inherits AS d JOIN pg_class AS m ON m.oid = d.inhrelid
      WHERE d.inhparent = 'messages'::regclass AND m.relname ~ ('_' || right(p.relname, 6) || '[0-9]{2}$')
  )
ORDER BY p.relname
"""


def outlived(conn: Connection, month: date) -> list[str]:
    """Return the partitions of the index, of months before this one, whose messages' partitions are all dropped."""
    params = {"tables": list(_MONTHLY), "month": f"{month:%Y%m}"}
    return list(conn.exec_driver_sql(_OUTLIVED, params).scalars())


#: a long wait for the table's lock would stop everything behind it
_BRIEFLY = "SET LOCAL lock_timeout = '500ms'"


def drop(conn: Connection, name: str) -> None:
    """Drop a partition; fails after half a second if transactions use its table."""
    conn.exec_driver_sql(_BRIEFLY)
    conn.exec_driver_sql(f"DROP TABLE IF EXISTS {name}")
