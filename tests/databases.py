"""A migrated database for each test: most are reused from earlier tests, emptied and checked.

Creating one copies five hundred files, and deleting thousands of those takes longer than many tests. Connections to a
reused one stay open between tests: each new backend spends as much as a test on learning the catalogue and on planning.
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import namedtuple_row
from sqlalchemy import Engine, QueuePool, event, make_url

from pipeline import database
from pipeline.database import Work
from pipeline.dialects import registry
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.migrations import migrate
from workers.lab.embedded import development

_TEMPLATE = "template_postroad"

#: when the server started, which resets its statistics, and how many connections there are besides these
_OTHERS = """
SELECT pg_postmaster_start_time(), count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> ALL (%s) AND backend_type = 'client backend'
"""
#: how many rows were ever written to each table and to each catalogue that DDL writes, and each one's size
_TABLES = """
SELECT relname, relnamespace <> 'public'::regnamespace AS is_catalogue, pg_relation_size(oid) AS size,
       pg_stat_get_tuples_inserted(oid) + pg_stat_get_tuples_updated(oid) + pg_stat_get_tuples_deleted(oid) AS written
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
   OR oid IN ('pg_attribute'::regclass, 'pg_class'::regclass, 'pg_constraint'::regclass, 'pg_namespace'::regclass,
              'pg_proc'::regclass, 'pg_trigger'::regclass, 'pg_db_role_setting'::regclass)
"""
#: makes a session report what it wrote, which it does once a second at most
_REPORT = "SELECT pg_stat_force_next_flush()"
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
_RESTART = """
SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false) FROM pg_sequences
WHERE last_value IS NOT NULL
"""
#: bytes from which a table is truncated: new files, and new plans, cost more than deleting some rows
_LARGE = 1 << 18
#: connections kept open between tests
_KEPT = 2


class NewDatabase(Protocol):
    """Creates a database, migrated unless `like` is "template1" (empty); returns its URL."""

    def __call__(self, like: str = _TEMPLATE) -> str: ...


class Databases:
    """The test databases of one server."""

    def __init__(self, pair: development.EmbeddedServers) -> None:
        """Create and migrate the template database, if there is none."""
        self._pair = pair
        self._numbers = itertools.count(1)
        self._idle: list[_Reusable] = []
        self._lent: dict[str, _Reusable] = {}
        with _connect(self._url("postgres")) as conn:
            is_migrated = conn.execute("SELECT FROM pg_database WHERE datname = %s", [_TEMPLATE]).fetchall()
        if not is_migrated:
            self._copy(_TEMPLATE, "template1")
            with closing(Runtime(Settings(database_url=self._url(_TEMPLATE)))) as rt:
                migrate(rt, registry.rows())
        with _connect(self._url(_TEMPLATE)) as conn:
            self._template = _Template(conn)

    def make(self, like: str = _TEMPLATE) -> str:
        """Return the URL of a new database, migrated unless `like` is "template1" (empty)."""
        name = f"test_{next(self._numbers)}"
        self._copy(name, like)
        return self._url(name)

    @contextmanager
    def lend(self) -> Iterator[str]:
        """Yield the URL of an empty migrated database, which another test may reuse afterwards."""
        found = self._idle.pop() if self._idle else None
        if found and not found.renew(self._template):
            found.close()
            found = None
        lent = found or _Reusable(self.make())
        self._lent[lent.url] = lent
        yield lent.url
        self._idle.append(self._lent.pop(lent.url))

    @contextmanager
    def runtime(self, settings: Settings) -> Iterator[Runtime]:
        """Yield a runtime on a lent database, with the connections of the tests that had it before."""
        rt = Runtime(settings)
        lent = self._lent[settings.database_url.get_secret_value()]
        own, rt.engine = rt.engine, lent.engine(settings)
        yield rt
        rt.engine = own
        rt.close()
        lent.keep_few()

    def close(self) -> None:
        """Close the connections that were kept."""
        for each in self._idle:
            each.close()

    def _copy(self, name: str, like: str) -> None:
        with _connect(self._url("postgres")) as conn:
            # half the cost of STRATEGY WAL_LOG
            made = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            conn.execute(made.format(sql.Identifier(name), sql.Identifier(like)))

    def _url(self, name: str) -> str:
        return make_url(self._pair.database_url).set(database=name).render_as_string(hide_password=False)


class _Template:
    """What a database holds when it has just been migrated."""

    def __init__(self, conn: "psycopg.Connection[tuple[Any, ...]]") -> None:
        self.shape = conn.execute(_SHAPE).fetchall()
        #: table → its rows as JSON
        self.rows: dict[str, str] = {}
        for table, is_catalogue, size, _ in conn.execute(_TABLES).fetchall():
            if size and not is_catalogue:
                rows = conn.execute(sql.SQL("SELECT to_json(t) FROM {} AS t").format(sql.Identifier(table)))
                self.rows[table] = json.dumps([row for [row] in rows])


class _Reusable:
    """A database that tests use one after the other, and connections to it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._conn = _connect(url)
        self._conn.execute("SET session_replication_role = replica")  # disables triggers (append-only ledger)
        #: size of the pool → its engine
        self._engines: dict[int, Engine] = {}
        self._drivers: list[psycopg.Connection[Any]] = []
        self._started = self._others()[0]
        self._known = self._tables()

    def engine(self, settings: Settings) -> Engine:
        """Return the engine of runtimes with these settings, whose connections stay open."""
        if settings.pool_size not in self._engines:
            made = self._engines[settings.pool_size] = database.engine(settings, Work.TASK.value)
            event.listen(made, "connect", lambda driver, _: self._drivers.append(driver))
        return self._engines[settings.pool_size]

    def keep_few(self) -> None:
        """Close the connections when a test has opened many, or has not given all back."""
        self._drivers = [each for each in self._drivers if not each.closed]
        pools = [each.pool for each in self._engines.values()]
        if len(self._drivers) > _KEPT or any(isinstance(pool, QueuePool) and pool.checkedout() for pool in pools):
            self._disconnect()

    def close(self) -> None:
        """Close all connections."""
        self._disconnect()
        self._conn.close()

    def renew(self, template: _Template) -> bool:
        """Empty the database; return False when its schema was changed or it has other connections."""
        try:
            for driver in self._drivers:
                driver.pgconn.exec_(_REPORT.encode())
            return self._others() == (self._started, 0) and self._empty(template)
        except psycopg.OperationalError:  # a test ended all connections
            return False

    def _empty(self, template: _Template) -> bool:
        tables, known = self._tables(), self._known
        written = {name for name, table in tables.items() if name not in known or table.written != known[name].written}
        if any(tables[name].is_catalogue for name in written):
            if self._conn.execute(_SHAPE).fetchall() != template.shape:
                return False
            written = set(tables)
        large = {name for name in written if tables[name].size > _LARGE and not tables[name].is_catalogue}
        if large:  # CASCADE may empty any other
            written = set(tables)
        filled = {name for name in written - large if tables[name].size and not tables[name].is_catalogue}
        self._run(
            *(sql.SQL("TRUNCATE {} CASCADE").format(sql.Identifier(name)) for name in large),
            *(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)) for name in filled),
            *(
                sql.SQL("INSERT INTO {0} SELECT * FROM json_populate_recordset(NULL::{0}, {1})").format(
                    sql.Identifier(name), sql.Literal(rows)
                )
                for name, rows in template.rows.items()
                if name in written
            ),
            sql.SQL(_RESTART),
            sql.SQL(_REPORT),
        )
        self._known = self._tables()
        return True

    def _run(self, *commands: sql.Composable) -> None:
        self._conn.execute(sql.SQL("; ").join(commands))

    def _tables(self) -> dict[str, Any]:
        with self._conn.cursor(row_factory=namedtuple_row) as cursor:
            rows: list[Any] = cursor.execute(_TABLES).fetchall()
        return {row.relname: row for row in rows}

    def _others(self) -> tuple[Any, ...]:
        pids = [self._conn.info.backend_pid, *(each.info.backend_pid for each in self._drivers if not each.closed)]
        [found] = self._conn.execute(_OTHERS, [pids]).fetchall()
        return found

    def _disconnect(self) -> None:
        for each in self._engines.values():
            each.dispose()
        self._drivers.clear()


def _connect(url: str) -> "psycopg.Connection[tuple[Any, ...]]":
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)
