"""What a journey may ask for: servers that may be killed, and a whole installation on them."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.office.migrate import migrate
from tests.conftest import World
from tests.journeys.installation import MONEY, Installation
from workers import dev
from workers.producer import producer

_homes = itertools.count(1)


@pytest.fixture(scope="session")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dev.Pair]:
    """A pair of servers that tests may kill: each leaves them running."""
    with dev.temporary() as running:
        yield running


@pytest.fixture(scope="session")
def fragile_template(fragile: dev.Pair) -> str:
    """The name of a migrated database on those servers, to copy."""
    _create(fragile, "template_postroad", "template1")
    rt = Runtime(Settings(database_url=_url(fragile, "template_postroad")))
    migrate(rt)
    rt.close()
    return "template_postroad"


@pytest.fixture
def installation(fragile: dev.Pair, fragile_template: str, tmp_path: Path) -> Iterator[Installation]:
    """An installation with an account, money, prices and carrier alpha, its log at the oracle's; nothing runs yet."""
    name = f"fault_{next(_homes)}"
    _create(fragile, name, fragile_template)
    settings = Settings(
        database_url=_url(fragile, name),
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


def _flush(pair: dev.Pair) -> None:
    """Forget everything the broker holds."""
    with producer(pair.broker_url).connection_for_write() as connection:
        connection.default_channel.client.flushall()


def _restore(pair: dev.Pair) -> None:
    assert pair.postgres is not None
    assert pair.valkey is not None
    if not pair.valkey.runs():
        pair.restart_valkey()
    if not pair.postgres.runs():
        pair.restart_postgres()


def _url(pair: dev.Pair, name: str) -> str:
    return make_url(pair.database_url).set(database=name).render_as_string(hide_password=False)


def _create(pair: dev.Pair, name: str, template: str) -> None:
    url = make_url(pair.database_url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql(f"CREATE DATABASE {name} TEMPLATE {template}")
    engine.dispose()
