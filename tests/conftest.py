"""Fixtures of all tests: PostgreSQL and Valkey, a database per test, and an account with a simulated carrier."""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import hypothesis
import psycopg
import pytest
import redis
from sqlalchemy import make_url

from pipeline.dialects.registry import DIALECTS, capacities
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin.audit import audit
from pipeline.stages.admit import admit
from pipeline.stages.bill import bill
from pipeline.stages.deliver import deliver
from pipeline.stages.ingest import ingest
from pipeline.stages.segment import segment
from pipeline.store import accounts, carriers, ledger
from schema.message import Accepted, Hint
from schema.order import Order
from tests.databases import Databases
from workers.lab.embedded import development

#: the audit's invariants of messages, their money and their attempts
OF_MESSAGES = {"I3 messages", "I3 states", "I4", "I4 again", "I4 elsewhere", "I6", "I7"}

# no deadline per example: the machine may be busy
hypothesis.settings.register_profile("house", deadline=None)
hypothesis.settings.load_profile("house")


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
def pair() -> Iterator[development.EmbeddedServers]:
    """Yield PostgreSQL and Valkey, started once for this process's tests."""
    with development.temporary() as running:
        # fsync only protects against a crash of the machine, not of a process
        url = make_url(running.database_url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET fsync = off")
            conn.execute("SELECT pg_reload_conf()")
        yield running


@pytest.fixture(scope="session")
def databases(pair: development.EmbeddedServers) -> Databases:
    """Return the databases of that server."""
    return Databases(pair)


@pytest.fixture(scope="session")
def new_database(databases: Databases) -> Callable[..., str]:
    """Return a function that creates a database, migrated unless `like` is "template1" (empty); it returns the URL."""
    return databases.make


@pytest.fixture(autouse=True)
def well_carriers(request: pytest.FixtureRequest) -> None:
    """Close all circuit breakers that earlier tests opened."""
    if "pair" in request.fixturenames:
        with redis.Redis.from_url(request.getfixturevalue("pair").broker_url) as valkey:
            for key in valkey.scan_iter("postroad:health*", count=1000):
                valkey.delete(key)


@pytest.fixture
def settings(pair: development.EmbeddedServers, databases: Databases, tmp_path: Path) -> Iterator[Settings]:
    """Yield settings with the test's own database."""
    with databases.lend() as url:
        yield Settings(database_url=url, broker_url=pair.broker_url, home=tmp_path)


@pytest.fixture
def rt(settings: Settings) -> Iterator[Runtime]:
    """Yield a runtime."""
    runtime = Runtime(settings)
    yield runtime
    runtime.close()


@pytest.fixture
def world(rt: Runtime, request: pytest.FixtureRequest) -> Iterator["World"]:
    """Yield an account with a sender, money, prices, and one carrier that accepts everything.

    After the test the audit's invariants of messages are checked; a test that writes rows as the product never would is
    marked `unsound` with a reason. (Wallets and times are changed directly in many tests, so these are not checked.)
    """
    world = World(rt)
    yield world
    if not request.node.get_closest_marker("unsound"):
        assert {each.name for each in audit(rt) if each.broken} & OF_MESSAGES == set()


@pytest.fixture(scope="module")
def shared_world(
    pair: development.EmbeddedServers, new_database: Callable[..., str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator["World"]:
    """Yield a world shared by a module's tests, each of which looks at its own rows only."""
    home = tmp_path_factory.mktemp("home")
    rt = Runtime(Settings(database_url=new_database(), broker_url=pair.broker_url, home=home))
    yield World(rt)
    rt.close()


def _is_by_api(order: Any) -> bool:
    """Return whether an order is to look like one sent through a vendor's API: `robase.send`."""
    return (order.door or "").partition(".")[0] in DIALECTS


class World:
    """An account that can send: `world.send("+2348012345678")`."""

    def __init__(self, rt: Runtime) -> None:
        self.rt = rt
        with rt.begin() as conn:
            account = accounts.create(conn, "acme", "NGN")
            assert account is not None
            self.account = account
            accounts.set_sender(conn, account, "ACME")
            ledger.set_price(conn, "*", "NGN", 400, rt.now())
            ledger.top_up(conn, account, 1_000_000, "test", rt.now())
        self.add_carrier("alpha")

    def add_carrier(self, name: str, script: dict[str, Any] | None = None, *, rank: int = 1, route: str = "*") -> None:
        """Add or change a simulated carrier that plays the script, with a route."""
        with self.rt.begin() as conn:
            carriers.save(conn, name, "simulated", {"script": script or {}})
            carriers.set_route(conn, route, name, rank=rank)

    def order(self, *numbers: str, **fields: Any) -> Order:
        """Return an order to these numbers (one by default), of the world's account unless another is given."""
        recipients = [{"to": number} for number in numbers or ["+2348012345678"]]
        return Order.model_validate(
            {"account": "acme", "sender": "ACME", "recipients": recipients}
            | ({} if "template" in fields else {"body": "Your ride arrives at 9."})
            | fields
        )

    def submit(self, *orders: Order) -> list[Accepted]:
        """Admit and ingest orders; return their responses."""
        admissions = [
            each for order in orders for each in admit(self.rt, [(self.rt.new_ids(), order)], by_api=_is_by_api(order))
        ]
        return ingest(self.rt, admissions)

    def pay(self, answers: Sequence[Accepted]) -> list[Hint]:
        """Segment and bill ingested orders; return hints of queued batches."""
        return [
            hint
            for answer in answers
            for batch in answer.batches
            for hint in bill(self.rt, batch, segment(self.rt, batch), capacities=capacities())
        ]

    def deliver_all(self, hints: Sequence[Hint]) -> None:
        """Deliver batches, including failover to the next carriers."""
        while hints:
            hints = deliver(self.rt, [hint.batch for hint in hints])

    def send(self, *numbers: str, **fields: Any) -> Accepted:
        """Process an order completely; return its response."""
        [answer] = answers = self.submit(self.order(*numbers, **fields))
        self.deliver_all(self.pay(answers))
        return answer

    def rows(self, query: str, **params: Any) -> list[Any]:
        """Return a query's rows; with one column, its values."""
        with self.rt.begin() as conn:
            rows = conn.exec_driver_sql(query, params).all()
        return [row[0] for row in rows] if rows and len(rows[0]) == 1 else [tuple(row) for row in rows]

    def run(self, statement: str, **params: Any) -> int:
        """Execute a statement; return the number of rows."""
        with self.rt.begin() as conn:
            return conn.exec_driver_sql(statement, params).rowcount

    def status(self, message: UUID | None) -> str:
        """Return a message's own status ("" while it has none)."""
        [found] = self.rows("SELECT status FROM messages WHERE id = %(id)s", id=message)
        return found or ""

    def balance(self) -> int:
        """Return the balance of the account's wallet."""
        [found] = self.rows("SELECT balance FROM wallets WHERE account_id = %(id)s", id=self.account)
        return int(found)

    def end_pause(self, carrier: str) -> None:
        """End the pause of a carrier's open circuit breaker."""
        assert self.rt.valkey is not None
        assert self.rt.valkey.hset(f"postroad:health:{carrier}", "open", "1") == 0

    def make_due(self, at: datetime | None = None) -> None:
        """Make all waiting batches due."""
        self.run(
            """
            UPDATE batches SET due_at = coalesce(%(at)s, now()), send_at = CASE WHEN send_at > now() THEN now() END
            WHERE status IN ('scheduled', 'waiting')
            """,
            at=at,
        )
