"""The set-up of a bench: its own servers, a migrated database, an account with more money than it can spend."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from pydantic import SecretStr

from pipeline.dialects import registry
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.carriers import set_carrier as save_carrier
from pipeline.stages.admin.migrations import migrate
from pipeline.stages.admin.routes import set_route
from pipeline.stages.admin.sandbox import Sandbox, set_up_sandbox
from workers import generated_secrets
from workers.lab.embedded import development

ACCOUNT, SENDER = "bench", "Postroad"
#: the carrier of bulk, and that of one-time passwords: simulated in the process, with a log of the times
BULK, CODES = "bench", "bench_codes"
#: the country of the one-time passwords, and of nothing else
CODES_TO = "+27"

_MONEY = 10**12
_PRICES = {"*": 9, "DE": 7, "GB": 4, "NG": 3, "KE": 3, "IN": 2, "US": 1, "GR": 6, "2348": 3, "4474": 4}
_EMPTY = "bench_empty"
#: a bench sends to India too, and its carriers require no registration (DLT)
_CAPABILITIES = {"dlt": True}


@dataclass(frozen=True, slots=True)
class BenchSetup:
    """The servers and databases of a bench."""

    servers: development.EmbeddedServers

    @property
    def home(self) -> Path:
        """Return the data folder, deleted afterwards."""
        return self.servers.home

    @property
    def codes_log(self) -> Path:
        """Return the log of the one-time passwords' carrier."""
        return self.home / "codes.jsonl"

    def settings(self, database: str = "") -> Settings:
        """Return settings for this process, with the main database or one that `copy` created."""
        return Settings(
            database_url=SecretStr(self.url(database)),
            broker_url=SecretStr(self.servers.broker_url),
            home=self.home,
            secret_key=SecretStr(generated_secrets.password(self.home, "secret_key")),
        )

    def url(self, database: str = "") -> str:
        """Return the URL of a database."""
        url = urlsplit(self.servers.database_url)
        return url._replace(path=f"/{database}").geturl() if database else url.geturl()

    def connect(self, database: str = "") -> "psycopg.Connection[Any]":
        """Return a connection to a database in autocommit mode."""
        return psycopg.connect(self.url(database), autocommit=True)

    def copy(self, database: str, template: str = _EMPTY) -> None:
        """Create a database: migrated, with the account, without messages."""
        with self.connect("template1") as conn:
            conn.execute(f"CREATE DATABASE {database} TEMPLATE {template}")

    def set_carrier(self, kind: str, settings: Mapping[str, object]) -> None:
        """Write the carriers and their routes."""
        rt = Runtime(self.settings())
        save_carrier(rt, BULK, kind, settings, capabilities=_CAPABILITIES)
        save_carrier(rt, CODES, "simulated", {"log": str(self.codes_log)})
        set_route(rt, "*", BULK)
        set_route(rt, CODES_TO[1:], CODES)
        rt.close()


@contextmanager
def setup() -> Iterator[BenchSetup]:
    """Yield the set-up, without carriers yet; deleted afterwards."""
    with development.temporary() as servers:
        made = BenchSetup(servers)
        rt = Runtime(made.settings())
        migrate(rt, registry.rows())
        set_up_sandbox(rt, Sandbox(ACCOUNT, SENDER, "EUR", _MONEY, _PRICES, {}))
        rt.close()
        made.copy(_EMPTY, template=urlsplit(servers.database_url).path[1:])
        yield made


def value(conn: "psycopg.Connection[Any]", query: str, *params: object) -> Any:
    """Return the single value of a query."""
    row = conn.execute(query, params).fetchone()
    assert row
    (found,) = row
    return found
