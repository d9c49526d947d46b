"""What a process holds: its settings, its engine, its carriers, its clock. Made after fork, closed with the process."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import URL, Connection, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from pipeline.carriers import registry
from pipeline.carriers.contract import Carrier
from pipeline.errors import ConfigurationError, DatabaseFault
from pipeline.rules import ids
from pipeline.settings import Settings

__all__ = ["Connection", "Runtime", "database_url"]


class Runtime:
    """One process's hands: every stage takes it first."""

    def __init__(self, settings: Settings) -> None:
        """Make the engine; nothing is opened before it is used."""
        self.settings = settings
        self.engine = _engine(settings)
        self._carriers: dict[str, tuple[str, Carrier]] = {}

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
        carrier = registry.make(name, kind, settings)
        if known:
            known[1].close()
        self._carriers[name] = (stamp, carrier)
        return carrier

    def close(self) -> None:
        """Close what was opened; idempotent."""
        for _, carrier in self._carriers.values():
            carrier.close()
        self._carriers.clear()
        self.engine.dispose()


def _engine(settings: Settings) -> Engine:
    url = database_url(settings)
    return create_engine(
        url,
        pool_size=settings.pool_size,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={
            "application_name": "postroad",
            "connect_timeout": 10,
            "keepalives_idle": 30,
            "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000",
        },
    )


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
