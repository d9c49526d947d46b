"""The daily partitions of messages and provider_attempts, cut by the UUIDv7 id."""

from collections.abc import Iterable
from datetime import date

from sqlalchemy import Connection

from pipeline.rules.identity import ids

#: rows are updated in place (HOT): leave them room
_FILLFACTOR = {"messages": 50, "provider_attempts": 90}

#: by which column each is cut
_KEYS = {"messages": "id", "provider_attempts": "message_id"}

_THERE = "SELECT to_regclass(%(name)s) IS NOT NULL"
_MAKE = "CREATE TABLE {name} (LIKE {table} INCLUDING ALL) WITH (fillfactor = {fillfactor})"
#: what came before its day was made lies in `*_beyond`
_FETCH = """
WITH early AS (DELETE FROM {table}_beyond WHERE {key} >= '{low}' AND {key} < '{high}' RETURNING *)
INSERT INTO {name} SELECT * FROM early
"""
_ATTACH = "ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{low}') TO ('{high}')"


def prepare(conn: Connection, days: Iterable[date]) -> list[str]:
    """Make the partitions of the days that have none; return their names."""
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
