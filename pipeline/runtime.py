"""What a process holds: its settings, its engine, its carriers, its clock. Made after fork, closed with the process."""

import json
import secrets
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import URL, Engine, create_engine, make_url
from sqlalchemy import Connection as Connection  # stages hand it on to the stores
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import SQLAlchemyError as DatabaseFault  # noqa: F401 - what any transaction may raise

from pipeline.carriers import registry
from pipeline.carriers.contract import Carrier
from pipeline.errors import ConfigurationError
from pipeline.rules import ids
from pipeline.settings import Settings


class Runtime:
    """One process's hands: every stage takes it first."""

    def __init__(self, settings: Settings) -> None:
        """Make the engine; nothing is opened before it is used."""
        self.settings = settings
        self.engine = _engine(settings)
        self._carriers: dict[str, tuple[str, Carrier]] = {}

    def begin(self) -> AbstractContextManager[Connection]:
        """Return a transaction: committed at the end of the `with`, rolled back by an exception."""
        return self.engine.begin()

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
        if known:
            known[1].close()
        carrier = registry.make(name, kind, settings)
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
        connect_args={
            "application_name": "postroad",
            "connect_timeout": 10,
            "keepalives_idle": 30,
            "options": "-c timezone=UTC -c idle_in_transaction_session_timeout=60000",
        },
    )


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
