"""PostgreSQL connections: the pool, the timeouts of each kind of work, and errors without row contents.

The timeouts of a transaction are sent with its BEGIN, in the same round trip, and so is its actor, if it has one. The
timeouts are not startup options, which PgBouncer refuses; docs/deadlines.md lists them all.
"""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import Any

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, SQLAlchemyError

from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.settings import Settings
from schema.actor import Actor

#: who acts in this context, for the audit log; None: the product itself
acting: ContextVar[Actor | None] = ContextVar("acting", default=None)
#: seconds after which a connection counts as idle
_IDLE = 1.0
#: seconds a transaction may be idle between two statements
_OPEN = 60


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Have an actor make the changes of a block."""
    before = acting.set(actor)
    try:
        yield
    finally:
        acting.reset(before)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """The timeouts of database operations, in seconds."""

    #: for a lock (lock_timeout)
    lock: float
    #: for a whole statement (statement_timeout)
    statement: float
    #: for connecting
    connect: int = 10
    #: for a free connection from the pool
    pool: float = 30
    #: for the server's host to acknowledge what was sent (tcp_user_timeout)
    unacknowledged: int = 30

    @property
    def begin(self) -> str:
        """Return the statements that start a transaction with these timeouts, or set them in an open one."""
        limits = {
            "lock_timeout": self.lock,
            "statement_timeout": self.statement,
            "idle_in_transaction_session_timeout": _OPEN,
        }
        return "; ".join(f"SET LOCAL {name} = {round(seconds * 1000)}" for name, seconds in limits.items())


class Work(Enum):
    """Kinds of work, by their database timeouts."""

    #: a request waits for its response: the gateway
    API = Deadlines(lock=3, statement=15, connect=3, pool=5, unacknowledged=10)
    #: workers, carriers, webhooks, periodic tasks: shorter than their lease
    TASK = Deadlines(lock=10, statement=30)
    #: what must be known within a second or not at all: which campaigns are stopped
    WATCH = Deadlines(lock=1, statement=1)
    #: metrics: the scraper waits ten seconds for all of them
    METRICS = Deadlines(lock=1, statement=3, connect=2, pool=5, unacknowledged=5)
    #: commands in a terminal
    COMMAND = Deadlines(lock=10, statement=300)
    #: the audit that the clock runs: each of its queries reads whole tables, beside everything else
    AUDIT = Deadlines(lock=10, statement=900)
    #: reads or rewrites whole tables: `postroad audit`, migrations, maintenance
    MAINTENANCE = Deadlines(lock=60, statement=4 * 3600)


def engine(settings: Settings, deadlines: Deadlines) -> Engine:
    """Return this process's connection pool; connections are opened on first use."""
    made = create_engine(
        database_url(settings),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=deadlines.pool,
        hide_parameters=True,
        connect_args={
            "application_name": "postroad",
            "connect_timeout": deadlines.connect,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": deadlines.unacknowledged * 1000,
        },
    )
    _ping_idle_connections(made)
    _set_deadlines(made, deadlines)
    return made


def override(conn: Connection, work: Work) -> None:
    """Give the open transaction the timeouts of another kind of work."""
    driver: Any = conn.connection.driver_connection
    # not as a prepared statement, which can only be one
    driver.pgconn.exec_(work.value.begin.encode())


def _set_deadlines(made: Engine, deadlines: Deadlines) -> None:
    local = deadlines.begin
    # statements outside a transaction use those of the session
    session = f"SET timezone = 'UTC'; {local.replace('SET LOCAL', 'SET')}".encode()
    begin = f"BEGIN; {local}".encode()

    def connected(driver: Any, _record: Any) -> None:
        driver.pgconn.exec_(session)

    def begun(conn: Connection) -> None:
        driver: Any = conn.connection.driver_connection
        if not driver.autocommit:
            actor = acting.get()
            # if it fails, so does the transaction's first statement, with the error
            driver.pgconn.exec_(begin if actor is None else begin + _naming(actor))

    event.listen(made, "connect", connected)
    event.listen(made, "begin", begun)


def _naming(actor: Actor) -> bytes:
    """Return the statement that names the actor of a transaction to the triggers that write the audit log."""
    words = {"kind": actor.kind, "name": actor.name, "origin": actor.origin, "action": actor.action}
    if actor.claimed is not None:
        words["claimed"] = actor.claimed
    # a name that is no text, as the environment may hold one, would be no JSON for PostgreSQL
    plain = {key: word.encode(errors="replace").decode().replace("\0", "") for key, word in words.items()}
    quoted = json.dumps(plain).replace("'", "''")
    return f"; SET LOCAL postroad.actor = '{quoted}'".encode()


def _ping_idle_connections(made: Engine) -> None:
    """Test idle connections before they are used, and reconnect if they are dead; busy ones are not tested."""

    def put_back(_driver: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    def take_out(driver: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("idle_since", math.inf) > _IDLE:
            try:
                made.dialect.do_ping(driver)
            except psycopg.Error as error:
                raise DisconnectionError from error

    event.listen(made, "checkin", put_back)
    event.listen(made, "checkout", take_out)


def fault(error: SQLAlchemyError | psycopg.Error) -> DatabaseFault:
    """Return a DatabaseFault without the statement's parameters and rows."""
    cause = getattr(error, "orig", None) or error
    sqlstate = getattr(cause, "sqlstate", None)
    if isinstance(cause, psycopg.OperationalError) and sqlstate is None:  # libpq's own text, without row contents
        return DatabaseFault(str(cause).strip().partition("\n")[0])
    words = [type(cause).__name__, sqlstate, getattr(getattr(cause, "diag", None), "constraint_name", None)]
    return DatabaseFault("database: " + " ".join(word for word in words if word), sqlstate)


def database_url(settings: Settings) -> URL:
    """Return the database's URL for psycopg; ConfigurationError when it is missing or not a PostgreSQL URL."""
    written = settings.database_url.get_secret_value()
    if not written:
        raise ConfigurationError(
            f"DATABASE_URL is not set and no embedded server runs here ({settings.home.absolute()}): start one with "
            "`postroad up`, or go to the folder where it was started"
        )
    try:
        url = make_url(written)
    except ArgumentError:
        raise ConfigurationError(
            "DATABASE_URL cannot be read: write postgresql://user:password@host:port/name"
        ) from None
    if not url.drivername.startswith(("postgresql", "postgres")):
        raise ConfigurationError(f"DATABASE_URL is for {url.drivername}: Postroad needs postgresql://…")
    return url.set(drivername="postgresql+psycopg")
