"""Bulk inserts by binary COPY."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import Connection as Psycopg
from sqlalchemy import Connection

#: what a binary COPY begins and ends with
_HEAD, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"


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


def copy_block(conn: Connection, table: str, columns: Sequence[str], rows: bytes) -> None:
    """Write rows as `copy` does, which are in the format of binary COPY already: that takes less CPU time."""
    driver = conn.connection.driver_connection
    assert isinstance(driver, Psycopg)
    with (
        driver.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as out,
    ):
        out.write(_HEAD + rows + _END)
