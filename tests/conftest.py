"""Fixtures of all tests: PostgreSQL and Valkey, a database per test, and an account with a simulated carrier."""

import gc
import logging
import os
from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path

import hypothesis
import pytest
import redis
from pydantic import SecretStr

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.store.audit import INVARIANTS, count_broken
from tests.databases import Databases, NewDatabase
from tests.servers import servers
from tests.world import World
from workers.lab.embedded import development

#: the audit's invariants of messages, their money and their attempts
OF_MESSAGES = {"I3 messages", "I3 states", "I3 counts", "I4", "I4 again", "I4 elsewhere", "I6", "I7"}

# gateways of tests that run at once would want the same port for their metrics
os.environ.setdefault("POSTROAD_METRICS_PORT", "0")

# no deadline per example: the machine may be busy
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without collecting garbage, and spare later garbage collections the tests, which all live on."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undo what a command that ran in this process made of logging: its level, and a handler whose stream is closed."""
    yield
    root = logging.getLogger()
    for handler in [each for each in root.handlers if type(each) is logging.StreamHandler]:
        root.removeHandler(handler)
        root.setLevel(logging.WARNING)
        for name in ("pipeline", "schema", "workers"):
            logging.getLogger(name).setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder that all processes of this test run share."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def pair(shared_folder: Path) -> Iterator[development.EmbeddedServers]:
    """Yield PostgreSQL and Valkey, started once for this process's tests."""
    with servers(shared_folder) as running:
        yield running


@pytest.fixture(scope="session")
def databases(pair: development.EmbeddedServers) -> Iterator[Databases]:
    """Yield the databases of that server."""
    with closing(Databases(pair)) as made:
        yield made


@pytest.fixture(scope="session")
def new_database(databases: Databases) -> NewDatabase:
    """Return a function that creates a database, migrated unless `like` is "template1" (empty); it returns the URL."""
    return databases.make


@pytest.fixture(scope="session")
def pair_valkey(pair: development.EmbeddedServers) -> Iterator[redis.Redis]:
    """Yield a client of that Valkey."""
    with redis.Redis.from_url(pair.broker_url) as client:
        yield client


@pytest.fixture(autouse=True)
def well_carriers(request: pytest.FixtureRequest) -> None:
    """Close all circuit breakers that earlier tests opened."""
    if "pair" in request.fixturenames:
        client: redis.Redis = request.getfixturevalue("pair_valkey")
        if opened := list(client.scan_iter("postroad:health*", count=1000)):
            client.delete(*opened)


@pytest.fixture(scope="session")
def default_settings(pair: development.EmbeddedServers) -> Settings:
    """Return settings without a database, read once: reading them costs as much as a short test."""
    return Settings(broker_url=pair.broker_url)


@pytest.fixture
def settings(default_settings: Settings, databases: Databases, tmp_path: Path) -> Iterator[Settings]:
    """Yield settings with the test's own database."""
    with databases.lend() as url:
        yield default_settings.model_copy(update={"database_url": SecretStr(url), "home": tmp_path})


@pytest.fixture
def rt(settings: Settings, databases: Databases) -> Iterator[Runtime]:
    """Yield a runtime."""
    with databases.runtime(settings) as runtime:
        yield runtime


@pytest.fixture
def world(rt: Runtime, request: pytest.FixtureRequest) -> Iterator[World]:
    """Yield an account with a sender, money, prices, and one carrier that accepts everything.

    After the test the audit's invariants of messages are checked; a test that writes rows as the product never would is
    marked `unsound` with a reason. (Wallets and times are changed directly in many tests, so these are not checked.)
    """
    world = World(rt)
    yield world
    if not request.node.get_closest_marker("unsound"):
        with rt.read_only() as conn:
            checked = [each for each in INVARIANTS if each.name in OF_MESSAGES]
            assert len(checked) == len(OF_MESSAGES)
            assert {each.name for each in checked if count_broken(conn, each)} == set()


@pytest.fixture(scope="module")
def shared_world(
    pair: development.EmbeddedServers, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Yield a world shared by a module's tests, each of which looks at its own rows only."""
    home = tmp_path_factory.mktemp("home")
    rt = Runtime(Settings(database_url=new_database(), broker_url=pair.broker_url, home=home))
    yield World(rt)
    rt.close()
