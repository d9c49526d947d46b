"""The capacity of the database, for metrics: its size, and how far ahead its partitions reach."""

from dataclasses import dataclass
from datetime import UTC, date, datetime

from sqlalchemy import Connection


@dataclass(frozen=True, slots=True)
class PartitionedTable:
    """The partitions of a table by day."""

    table: str
    partitions: int
    #: the last day that has one
    until: date


_PARTITIONS = """
SELECT p.relname AS name, count(*) AS partitions, max(right(c.relname, 8)) AS until
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS p ON p.oid = i.inhparent
WHERE i.inhparent IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name) AND c.relname ~ '_[0-9]{8}$'
GROUP BY p.relname ORDER BY p.relname
"""


def partitioned(conn: Connection, tables: tuple[str, ...]) -> list[PartitionedTable]:
    """Return the number of partitions of these tables, and the last day that has one."""
    rows = conn.exec_driver_sql(_PARTITIONS, {"tables": list(tables)})
    return [
        PartitionedTable(row.name, row.partitions, datetime.strptime(row.until, "%Y%m%d").replace(tzinfo=UTC).date())
        for row in rows
    ]


def size(conn: Connection) -> int:
    """Return the database's size in bytes."""
    return int(conn.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one())
