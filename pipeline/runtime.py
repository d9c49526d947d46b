"""Runtime: a process's settings, database engine, carriers, clock. Created after fork, closed with the process."""

import json
import logging
import secrets
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import UUID

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from pipeline import database
from pipeline.carriers import registry
from pipeline.carriers.contract import Carrier
from pipeline.database import Deadlines, Work, acting, acting_as, database_url
from pipeline.journal import Journal
from pipeline.password_hashing import PasswordHashing
from pipeline.rules.identity import ids
from pipeline.settings import Settings
from pipeline.store import campaigns, circuit_breakers
from pipeline.store.campaign_watch import CampaignWatch
from pipeline.store.circuit_breakers import CarrierHealth
from pipeline.store.routing_snapshot import KnownSnapshot
from pipeline.vault import Vault
from schema.vocabulary import Placement

log = logging.getLogger(__name__)

#: timeout of Valkey in seconds: a rate limit is not worth a longer wait
_TIMEOUT = 0.5

#: key of encrypted settings, purpose they are sealed for, number of decrypted ones cached
_SEALED, _CARRIER, _UNSEALED = "sealed", "carrier", 200

#: seconds for which the state of all breakers is cached
_GLIMPSE = 0.5

__all__ = ["Connection", "Runtime", "Work", "acting", "acting_as", "database_url", "is_sealed"]


class Runtime:
    """The resources of one process; the first parameter of every stage."""

    def __init__(
        self,
        settings: Settings,
        is_stopping: Callable[[], bool] = lambda: False,
        *,
        deadlines: Deadlines = Work.TASK.value,
        keeps_journal: bool = False,
    ) -> None:
        """Create the engine; connections are opened on first use. `deadlines`: its database timeouts.

        With a journal, only what a killed process had submitted has an unknown outcome (`pipeline.journal`).
        """
        self.settings = settings
        #: whether this process was asked to stop: deferrable work is left to the next
        self.is_stopping = is_stopping
        self.engine = database.engine(settings, deadlines)
        #: routing snapshots known to this process
        self.snapshots = KnownSnapshot()
        #: placements of carriers known to this process, and when they were read (`carrier_placement.placement`)
        self.placements: tuple[Mapping[str, Placement], float] = ({}, float("-inf"))
        #: tells this process's delivery runs which of their campaigns are paused or aborted meanwhile
        self.campaign_watch = CampaignWatch(self._stopped_campaigns)
        self.passwords = PasswordHashing(settings.password_log_n)
        self._carriers: dict[str, tuple[str, Carrier]] = {}
        self._making = Lock()
        self._pulses: dict[str, CarrierHealth] = {}
        self._unhealthy: frozenset[str] = frozenset()
        self._looked_at = float("-inf")
        self._vault: Vault | None = None
        #: carriers' settings: stored form → decrypted
        self._unsealed: dict[str, Mapping[str, Any]] = {}
        self._valkey: redis.Redis | None = None
        self._keeps_journal = keeps_journal
        self._journal: Journal | None = None

    @property
    def journals(self) -> Path:
        """Return the folder of this installation's journals on this host."""
        return self.settings.home / "journals"

    @property
    def journal(self) -> Journal | None:
        """Return this process's journal, created on first use; None where it has none, or cannot have one."""
        if self._keeps_journal and self._journal is None:
            self._create_journal()
        return self._journal

    def _create_journal(self) -> None:
        with self._making:
            if self._journal is not None:
                return
            try:
                self._journal = Journal.create(self.journals, self.settings.portion_size)
            except OSError as error:
                self._keeps_journal = False
                log.warning("cannot create a journal in %s: %s", self.journals, error.strerror or error)

    @property
    def vault(self) -> Vault:
        """Return the vault for hashes and encryption; ConfigurationError when there is no secret key."""
        if self._vault is None:
            self._vault = Vault(self.settings.secret_key.get_secret_value(), self.settings.old_secret_keys)
        return self._vault

    @property
    def vault_or_none(self) -> Vault | None:
        """Return the vault, or None when the installation has no secret key."""
        return self.vault if self.settings.secret_key.get_secret_value() else None

    @property
    def valkey(self) -> redis.Redis | None:
        """Return the client of the Valkey for rate limits, or None where there is none. It connects on first use."""
        if self._valkey is None and (url := valkey_url(self.settings)):
            self._valkey = redis.Redis.from_url(
                url,
                socket_timeout=_TIMEOUT,
                socket_connect_timeout=_TIMEOUT,
                protocol=2,
                # otherwise each new connection reads the client's version from a file, to tell it to the server
                driver_info=None,
                # no retry after a timeout: the limit may have been taken already, and would be twice
                retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
            )
        return self._valkey

    @contextmanager
    def begin(self, work: Work | None = None) -> Iterator[Connection]:
        """Yield a transaction: committed at the end of the `with`, rolled back by an exception.

        It has the timeouts of this process, or those of the given kind of work. Raises DatabaseFault when the database
        is down, too slow, or raises an error: its own errors quote rows, and rows contain phone numbers.
        """
        try:
            with self.engine.begin() as conn:
                if work:
                    database.override(conn, work)
                yield conn
        except (SQLAlchemyError, psycopg.Error) as error:  # COPY uses psycopg directly
            raise database.fault(error) from None

    @contextmanager
    def read_only(self) -> Iterator[Connection]:
        """Yield a connection for reads, each statement by itself: saves the round trips of BEGIN and COMMIT.

        Raises DatabaseFault as `begin` does.
        """
        try:
            with self.engine.connect() as conn:
                yield conn.execution_options(isolation_level="AUTOCOMMIT")
        except (SQLAlchemyError, psycopg.Error) as error:
            raise database.fault(error) from None

    def now(self) -> datetime:
        """Return this host's time, UTC. Leases, due times and `common_time` use the database's clock instead."""
        return datetime.now(UTC)

    def common_time(self, clock: datetime) -> datetime:
        """Return the time of decisions that all hosts must make alike, such as which price is in force.

        That is `clock`, the database's time; only a simulation has another one.
        """
        return clock

    def new_ids(self) -> UUID:
        """Return a new UUIDv7 with room for a contiguous range after it."""
        return ids.new_ids(self.now(), secrets.randbits(ids.ENTROPY_BITS))

    def carrier(self, name: str, kind: str, settings: Mapping[str, Any]) -> Carrier:
        """Return this process's carrier of this name, created anew when its settings have changed."""
        settings = self.unsealed(settings)
        stamp = json.dumps([kind, settings], sort_keys=True)
        made_of, known = self._carriers.get(name, ("", None))
        if known and made_of == stamp:
            return known
        with self._making:
            made_of, known = self._carriers.get(name, ("", None))
            if known and made_of == stamp:
                return known
            carrier = registry.make(name, kind, settings, self.settings.lease_seconds)
            self._carriers[name] = (stamp, carrier)
        if known:
            known.close()
        return carrier

    def sealed(self, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a carrier's settings in their stored form: encrypted, if the installation has a secret key."""
        vault = self.vault_or_none
        if vault is None or not settings:
            return settings
        return {_SEALED: b64encode(vault.seal(_CARRIER, json.dumps(dict(settings)).encode())).decode()}

    def resealed(self, kept: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return settings as `sealed` would store them now; None: they are so already, or there is no secret key."""
        token, vault = kept.get(_SEALED), self.vault_or_none
        if not kept or vault is None or (isinstance(token, str) and vault.is_current(b64decode(token))):
            return None
        return self.sealed(self.unsealed(kept))

    def unsealed(self, kept: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a carrier's settings, decrypted.

        ConfigurationError when they were sealed with another secret key, or there is none.
        """
        token = kept.get(_SEALED)
        if not isinstance(token, str):
            return kept
        found = self._unsealed.get(token)
        if found is None:
            if len(self._unsealed) > _UNSEALED:
                self._unsealed.clear()
            found = self._unsealed[token] = json.loads(self.vault.open(_CARRIER, b64decode(token)))
        return found

    def health(self, carrier: str) -> CarrierHealth:
        """Return this process's view of a carrier's health."""
        return self._pulses.get(carrier) or self._pulses.setdefault(carrier, CarrierHealth(self.valkey, carrier))

    def unhealthy(self) -> frozenset[str]:
        """Return the carriers, and carriers by country, whose breaker is open (`circuit_breakers.breaker_name`)."""
        if time.monotonic() - self._looked_at > _GLIMPSE:
            self._unhealthy, self._looked_at = circuit_breakers.open_for_routing(self.valkey), time.monotonic()
        return self._unhealthy

    def _stopped_campaigns(self, among: Collection[UUID]) -> set[UUID]:
        with self.begin(Work.WATCH) as conn:
            return campaigns.stopped(conn, among)

    def close(self) -> None:
        """Close the resources; idempotent."""
        self.campaign_watch.close()
        for _, carrier in self._carriers.values():
            carrier.close()
        self._carriers.clear()
        if self._journal is not None:
            self._journal.close()
        if self._valkey is not None:
            self._valkey.close()
        self.engine.dispose()


def is_sealed(kept: Mapping[str, Any]) -> bool:
    """Tell whether a carrier's settings are in their encrypted form."""
    return isinstance(kept.get(_SEALED), str)


def valkey_url(settings: Settings) -> str:
    """Return the URL of the Valkey for rate limits: its own, or the broker's where that is one, or ""."""
    own, broker = settings.valkey_url.get_secret_value(), settings.broker_url.get_secret_value()
    return own or (broker if broker.startswith(("redis://", "rediss://")) else "")
