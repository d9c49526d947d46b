"""The daily partitions of messages and provider_attempts, cut by the UUIDv7 id."""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import Connection

from pipeline.rules import ids

#: rows are updated in place (HOT): leave them room
_FILLFACTOR = {"messages": 50, "provider_attempts": 90}

_THERE = "SELECT to_regclass(%(name)s) IS NOT NULL"


def prepare(conn: Connection, days: Iterable[date]) -> list[str]:
    """Make the partitions of the days that have none; return their names."""
    made = []
    for day in days:
        low, high = ids.day_bounds(day)
        for table, fillfactor in _FILLFACTOR.items():
            name = f"{table}_{day:%Y%m%d}"
            if not conn.exec_driver_sql(_THERE, {"name": name}).scalar():
                conn.exec_driver_sql(
                    f"CREATE TABLE {name} PARTITION OF {table} FOR VALUES FROM ('{low}') TO ('{high}') "
                    f"WITH (fillfactor = {fillfactor})"
                )
                made.append(name)
    return made
