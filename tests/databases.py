"""A migrated database for each test: most are reused from earlier tests, emptied and checked.

Creating one copies five hundred files, and deleting thousands of those takes longer than many tests.
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from pipeline.dialects import registry
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.migrations import migrate
from workers.lab.embedded import development

_TEMPLATE = "template_postroad"

_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
#: a digest of everything created by DDL
_SHAPE = """
SELECT md5(string_agg(thing, E'\n' ORDER BY thing)) FROM (
    SELECT concat('class ', oid, relname, relkind, relnatts, relhastriggers, relpersistence, reloptions)
    FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT concat('attribute ', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.atthasdef)
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT concat('constraint ', oid, conname, convalidated) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT concat('trigger ', oid, tgenabled) FROM pg_trigger
    UNION ALL
    SELECT concat('function ', oid, proname) FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT concat('schema ', nspname) FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL
    SELECT concat('setting ', setconfig) FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase
    WHERE d.datname = current_database()
) AS things (thing)
"""
#: non-empty tables, and whether to TRUNCATE: new files cost more than deleting a few rows
_FILLED = """
SELECT relname, pg_relation_size(oid) > 65536 FROM pg_class
WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""
_RESTART = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
WHERE last_value IS NOT NULL
"""


class NewDatabase(Protocol):
    """Creates a database, migrated unless `like` is "template1" (empty); returns its URL."""

    def __call__(self, like: str = _TEMPLATE) -> str: ...


class Databases:
    """The test databases of one server."""

    def __init__(self, pair: development.EmbeddedServers) -> None:
        """Create and migrate the template database."""
        self._pair = pair
        self._numbers = itertools.count(1)
        self._idle: list[str] = []
        self._copy(_TEMPLATE, "template1")
        rt = Runtime(Settings(database_url=self._url(_TEMPLATE)))
        migrate(rt, registry.rows())
        rt.close()
        with self._enter(_TEMPLATE) as conn:
            self._shape = conn.execute(_SHAPE).fetchall()
            self._rows = {table: _rows(conn, table) for table, _ in conn.execute(_FILLED)}

    def make(self, like: str = _TEMPLATE) -> str:
        """Return the URL of a new database, migrated unless `like` is "template1" (empty)."""
        name = f"test_{next(self._numbers)}"
        self._copy(name, like)
        return self._url(name)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Yield the URL of an empty migrated database, which another test may reuse afterwards."""
        name = self._idle.pop() if self._idle else ""
        url = self._url(name) if name and self._is_as_new(name) else self.make()
        yield url
        self._idle.append(str(make_url(url).database))

    def _is_as_new(self, name: str) -> bool:
        """Empty a used database; return False when its schema was changed or it has other connections."""
        with self._enter(name) as conn:
            if conn.execute(_OTHERS).fetchone() != (0,) or conn.execute(_SHAPE).fetchall() != self._shape:
                return False
            filled = conn.execute(_FILLED).fetchall()
            conn.execute("SET session_replication_role = replica")  # disables triggers (append-only ledger)
            commands = (("TRUNCATE {} CASCADE" if large else "DELETE FROM {}", table) for table, large in filled)
            conn.execute(sql.SQL("; ").join(sql.SQL(words).format(sql.Identifier(name)) for words, name in commands))
            for table, rows in self._rows.items():
                into = sql.Identifier(table)
                insert = sql.SQL("INSERT INTO {} SELECT * FROM json_populate_recordset(NULL::{}, %s)")
                conn.execute(insert.format(into, into), [rows])
            conn.execute(_RESTART)
        return True

    def _copy(self, name: str, like: str) -> None:
        with self._enter("postgres") as conn:
            # half the cost of STRATEGY WAL_LOG
            made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            conn.execute(made.format(sql.Identifier(name), sql.Identifier(like)))

    @contextmanager
    def _enter(self, name: str) -> Iterator["psycopg.Connection[tuple[Any, ...]]"]:
        url = make_url(self._url(name)).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as conn:
            yield conn

    def _url(self, name: str) -> str:
        return make_url(self._pair.database_url).set(database=name).render_as_string(hide_password=False)


def _rows(conn: "psycopg.Connection[tuple[Any, ...]]", table: str) -> str:
    found = conn.execute(sql.SQL("SELECT to_json(t) FROM {} AS t").format(sql.Identifier(table)))
    return json.dumps([row for [row] in found])
