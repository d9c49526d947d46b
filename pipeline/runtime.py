"""What a process holds: its settings, its engine, its carriers, its clock. Made after fork, closed with the process."""

import json
import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from threading import Lock
from typing import Any
from uuid import UUID

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError, SQLAlchemyError

from pipeline.carriers import registry
from pipeline.carriers.contract import Carrier
from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.rules import ids
from pipeline.settings import Settings
from pipeline.store import health
from pipeline.store.health import Pulse
from pipeline.store.situations import Known
from pipeline.vault import Vault

#: seconds Valkey may take for an answer: a limit is not worth waiting for
_PATIENCE = 0.5

#: seconds for which a look at all breakers holds
_GLIMPSE = 0.5
#: seconds after which a connection is idle
_IDLE = 1.0

__all__ = ["Connection", "Runtime", "database_url"]


class Runtime:
    """One process's hands: every stage takes it first."""

    def __init__(self, settings: Settings, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Make the engine; nothing is opened before it is used."""
        self.settings = settings
        #: whether this process was told to stop: what can wait is left to the next
        self.is_stopping = is_stopping
        self.engine = _engine(settings)
        #: what carriers are chosen by, as far as this process has met it
        self.situations = Known()
        self._carriers: dict[str, tuple[str, Carrier]] = {}
        self._making = Lock()
        self._pulses: dict[str, Pulse] = {}
        self._unwell: frozenset[str] = frozenset()
        self._looked_at = float("-inf")
        self._vault: Vault | None = None
        self._valkey: redis.Redis | None = None

    @property
    def vault(self) -> Vault:
        """Return what hashes and seals; ConfigurationError when there is no secret key."""
        if self._vault is None:
            self._vault = Vault(self.settings.secret_key.get_secret_value())
        return self._vault

    @property
    def vault_or_none(self) -> Vault | None:
        """Return what hashes and seals, or None when the installation has no secret key."""
        return self.vault if self.settings.secret_key.get_secret_value() else None

    @property
    def valkey(self) -> redis.Redis | None:
        """Return the client of the Valkey that limits calls, or None where there is none. Nothing is opened here."""
        if self._valkey is None and (url := valkey_url(self.settings)):
            self._valkey = redis.Redis.from_url(
                url,
                socket_timeout=_PATIENCE,
                socket_connect_timeout=_PATIENCE,
                protocol=2,
                # not after a timeout: what was taken of a limit may have been taken, and would be twice
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )
        return self._valkey

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a transaction: committed at the end of the `with`, rolled back by an exception.

        Raises DatabaseFault when the database is away or refuses: its own errors quote rows, and rows hold numbers.
        """
        try:
            with self.engine.begin() as conn:
                yield conn
        except (SQLAlchemyError, psycopg.Error) as error:  # COPY speaks to psycopg directly
            raise _fault(error) from None

    @contextmanager
    def glance(self) -> Iterator[Connection]:
        """Yield a connection to read with, each statement on its own: without a transaction's two ways to the server.

        Raises DatabaseFault as `begin` does.
        """
        try:
            with self.engine.connect() as conn:
                yield conn.execution_options(isolation_level="AUTOCOMMIT")
        except (SQLAlchemyError, psycopg.Error) as error:
            raise _fault(error) from None

    def now(self) -> datetime:
        """Return this machine's time, UTC. Leases and promotion go by the database's clock instead."""
        return datetime.now(UTC)

    def mint(self) -> UUID:
        """Return a new UUIDv7 with room for many after it."""
        return ids.mint(self.now(), secrets.randbits(ids.ENTROPY_BITS))

    def carrier(self, name: str, kind: str, settings: Mapping[str, Any]) -> Carrier:
        """Return this process's connection to a carrier, made anew when its settings have changed."""
        stamp = json.dumps([kind, settings], sort_keys=True)
        known = self._carriers.get(name)
        if known and known[0] == stamp:
            return known[1]
        with self._making:
            known = self._carriers.get(name)
            if known and known[0] == stamp:
                return known[1]
            carrier = registry.make(name, kind, settings, self.settings.lease_seconds)
            self._carriers[name] = (stamp, carrier)
        if known:
            known[1].close()
        return carrier

    def pulse(self, carrier: str) -> Pulse:
        """Return what this process says of a carrier's health, and hears."""
        return self._pulses.get(carrier) or self._pulses.setdefault(carrier, Pulse(self.valkey, carrier))

    def unwell(self) -> frozenset[str]:
        """Return which carriers, and carriers for which countries, are better left alone (`health.word`)."""
        if time.monotonic() - self._looked_at > _GLIMPSE:
            self._unwell, self._looked_at = health.look(self.valkey), time.monotonic()
        return self._unwell

    def close(self) -> None:
        """Close what was opened; idempotent."""
        for _, carrier in self._carriers.values():
            carrier.close()
        self._carriers.clear()
        if self._valkey is not None:
            self._valkey.close()
        self.engine.dispose()


def valkey_url(settings: Settings) -> str:
    """Return the URL of the Valkey that limits calls: its own, or the broker's where that is one, or ""."""
    own, broker = settings.valkey_url.get_secret_value(), settings.broker_url.get_secret_value()
    return own or (broker if broker.startswith(("redis://", "rediss://")) else "")


def _engine(settings: Settings) -> Engine:
    engine = create_engine(
        database_url(settings),
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=30,
        hide_parameters=True,
        connect_args={
            "application_name": "postroad",
            "connect_timeout": 10,
            "keepalives_idle": 30,
            "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000",
        },
    )
    _ask_the_idle(engine)
    return engine


def _ask_the_idle(engine: Engine) -> None:
    """Have a connection that lay idle prove that it lives, or another made; one in use is spared the question."""

    def put_back(_driver: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    def take_out(driver: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("idle_since", math.inf) > _IDLE:
            try:
                engine.dialect.do_ping(driver)
            except psycopg.Error as error:
                raise DisconnectionError from error

    event.listen(engine, "checkin", put_back)
    event.listen(engine, "checkout", take_out)


def _fault(error: SQLAlchemyError | psycopg.Error) -> DatabaseFault:
    """Return what went wrong without what it went wrong with."""
    cause = getattr(error, "orig", None) or error
    sqlstate = getattr(cause, "sqlstate", None)
    if isinstance(cause, psycopg.OperationalError) and sqlstate is None:  # libpq's own words: no row was reached
        return DatabaseFault(str(cause).strip().partition("\n")[0])
    words = [type(cause).__name__, sqlstate, getattr(getattr(cause, "diag", None), "constraint_name", None)]
    return DatabaseFault("database: " + " ".join(word for word in words if word), sqlstate)


def database_url(settings: Settings) -> URL:
    """Return the database's URL for psycopg; ConfigurationError when it is missing or no PostgreSQL URL."""
    written = settings.database_url.get_secret_value()
    if not written:
        raise ConfigurationError(
            "DATABASE_URL is not set and no embedded server runs here: start one with `postroad up`"
        )
    try:
        url = make_url(written)
    except ArgumentError:
        raise ConfigurationError(
            "DATABASE_URL cannot be read: write postgresql://user:password@host:port/name"
        ) from None
    if not url.drivername.startswith(("postgresql", "postgres")):
        raise ConfigurationError(f"DATABASE_URL speaks {url.drivername}: Postroad needs postgresql://…")
    return url.set(drivername="postgresql+psycopg")
