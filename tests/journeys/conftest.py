"""Fixtures of the journeys: servers that may be killed, and a complete installation on them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from tests.broker import redis_channel
from tests.databases import Databases
from tests.journeys.installation import MONEY, Installation
from tests.servers import servers
from tests.world import World
from workers.lab.embedded import development
from workers.producer import producer


@pytest.fixture(scope="session")
def fragile(shared_folder: Path) -> Iterator[development.EmbeddedServers]:
    """Yield servers that tests may kill; each test leaves them running."""
    with servers(shared_folder) as running:
        yield running


@pytest.fixture(scope="session")
def fragile_databases(fragile: development.EmbeddedServers) -> Iterator[Databases]:
    """Yield the databases of those servers."""
    with closing(Databases(fragile)) as made:
        yield made


@pytest.fixture
def installation(
    fragile: development.EmbeddedServers, fragile_databases: Databases, tmp_path: Path
) -> Iterator[Installation]:
    """Yield an installation with an account, money, prices and carrier alpha with a log; no process runs yet."""
    settings = Settings(
        database_url=fragile_databases.make(),
        broker_url=fragile.broker_url,
        home=tmp_path,
        lease_seconds=3,
        stale_seconds=2,
    )
    _flush(fragile)
    rt = Runtime(settings)
    world = World(rt)
    world.run("UPDATE wallets SET balance = %(all)s", all=MONEY)
    world.run(
        "INSERT INTO ledger (account_id, kind, unit, amount, from_book, to_book)"
        " SELECT id, 'topup', currency, %(more)s, 'outside', 'wallet' FROM accounts",
        more=MONEY - 1_000_000,
    )
    made = Installation(tmp_path, fragile, settings, world)
    made.play(alpha={})
    try:
        yield made
    finally:
        for process in list(made.processes):
            made.kill(process)
        rt.close()
        _restore(fragile)


def _flush(pair: development.EmbeddedServers) -> None:
    """Delete all keys of the broker."""
    with producer(pair.broker_url).connection_for_write() as connection:
        redis_channel(connection).client.flushall()


def _restore(pair: development.EmbeddedServers) -> None:
    assert pair.postgres is not None
    assert pair.valkey is not None
    if not pair.valkey.runs():
        pair.restart_valkey()
    if not pair.postgres.runs():
        pair.restart_postgres()
