"""Bulk inserts by binary COPY."""

from collections.abc import Iterable, Mapping
from typing import Any

from psycopg import Connection as Psycopg
from sqlalchemy import Connection


def copy(conn: Connection, table: str, columns: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Write rows into a table by binary COPY, within the connection's transaction; columns map to their types."""
    driver = conn.connection.driver_connection
    assert isinstance(driver, Psycopg)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as out,
    ):
        out.set_types(list(columns.values()))
        for row in rows:
            out.write_row(row)
