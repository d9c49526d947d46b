"""Every wait for the database has a deadline: requests get 503, nothing is half written, and /healthz reports it."""

import base64
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from pipeline.database import Deadlines
from tests.api.conftest import Answer, RunningGateway, forget_limits
from tests.dialects.vendors import Vendor
from tests.world import World
from workers.gateway import micro_batch
from workers.lab.embedded import development

#: so short that no test waits long, so long that no stall of the machine is taken for a lock
SHORT = Deadlines(lock=0.5, statement=20)


Send = Callable[[Mapping[str, str], RunningGateway], Answer]


@pytest.fixture
def running_gateway(world: World, pair: development.EmbeddedServers) -> Iterator[RunningGateway]:
    forget_limits(pair)
    house = RunningGateway(world.rt, SHORT)
    yield house
    house.close()


@pytest.fixture
def database(world: World) -> Iterator["psycopg.Connection[Any]"]:
    """A connection beside the gateway's, as somebody's psql."""
    url = make_url(world.rt.settings.database_url.get_secret_value()).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as conn:
        yield conn


@contextmanager
def locked(conn: "psycopg.Connection[Any]", table: str, mode: str) -> Iterator[None]:
    conn.execute(f"LOCK TABLE {table} IN {mode} MODE")
    yield
    conn.rollback()


def robase(key: Mapping[str, str], house: RunningGateway, idempotency_key: str = "one") -> Answer:
    reported = {"Authorization": f"Bearer {key['api_key']}", "Idempotency-Key": idempotency_key}
    return house.ask("POST", "/robase/v1/sms", {"to": "+2348012345678", "from": "ACME", "body": "Hi"}, reported)


def webex(key: Mapping[str, str], house: RunningGateway) -> Answer:
    body = {"message_body": "Hi", "from": "ACME", "to": [{"phone": ["+2348012345678"]}]}
    return house.ask("POST", "/webex/v1/sms", body, {"X-AUTH-KEY": key["access_token"]})


def telesign(key: Mapping[str, str], house: RunningGateway) -> Answer:
    words = base64.b64encode(f"{key['customer_id']}:{key['api_key']}".encode()).decode()
    reported = {"Authorization": f"Basic {words}", "Content-Type": "application/x-www-form-urlencoded"}
    return house.ask("POST", "/telesign/v1/verify/sms", "phone_number=2348012345678", reported)


@pytest.mark.parametrize(
    ("dialect", "send", "status"),
    # TeleSign's own text: 500 to a POST
    [(Vendor.ROBASE, robase, 503), (Vendor.WEBEX, webex, 503), (Vendor.TELESIGN, telesign, 500)],
)
def test_a_send_blocked_by_a_table_lock_is_answered_503_and_writes_nothing(
    world: World,
    running_gateway: RunningGateway,
    database: "psycopg.Connection[Any]",
    dialect: Vendor,
    send: Send,
    status: int,
) -> None:
    key = running_gateway.key(dialect)

    with locked(database, "messages", "SHARE"):
        refused = send(key, running_gateway)
        sick = [running_gateway.ask("GET", path).status for path in ("/readyz", "/healthz", "/livez")]
    left = world.rows("SELECT count(*) FROM requests")
    sent = send(key, running_gateway)

    assert refused.status == status
    assert int(refused.headers["retry-after"]) >= 1
    assert (sick, left) == ([503, 503, 200], [0])
    assert sent.status < 300
    assert running_gateway.ask("GET", "/healthz").status == 200
    assert world.rows("SELECT count(*) FROM messages") == [1]


def test_a_request_whose_api_key_cannot_be_read_in_time_is_answered_503(
    running_gateway: RunningGateway, database: "psycopg.Connection[Any]"
) -> None:
    key = running_gateway.key(Vendor.ROBASE)

    with locked(database, "api_keys", "ACCESS EXCLUSIVE"):
        refused = robase(key, running_gateway)
        sick = running_gateway.ask("GET", "/healthz")

    assert (refused.status, sick.status) == (503, 503)
    assert robase(key, running_gateway).status < 300
    assert running_gateway.ask("GET", "/healthz").status == 200


def test_a_replayed_response_during_a_lock_does_not_reset_the_health_status(
    running_gateway: RunningGateway, database: "psycopg.Connection[Any]"
) -> None:
    key = running_gateway.key(Vendor.ROBASE)
    assert robase(key, running_gateway, "before").status == 202

    with locked(database, "messages", "SHARE"):
        refused = robase(key, running_gateway, "two")
        again = robase(key, running_gateway, "before")
        sick = running_gateway.ask("GET", "/healthz")

    assert (refused.status, again.status, sick.status) == (503, 202, 503)


def test_a_receipt_blocked_by_a_table_lock_is_answered_503_and_accepted_when_repeated(
    world: World, running_gateway: RunningGateway, database: "psycopg.Connection[Any]"
) -> None:
    with world.rt.begin() as conn:
        conn.exec_driver_sql("UPDATE carriers SET kind = 'http', settings = '{\"base_url\": \"http://127.0.0.1:1\"}'")
    receipt = {"id": "c-1", "status": "delivered"}

    with locked(database, "receipts", "SHARE"):
        refused = running_gateway.ask("POST", "/receipts/alpha", receipt)
        sick = running_gateway.ask("GET", "/healthz")
    kept = running_gateway.ask("POST", "/receipts/alpha", receipt)

    assert (refused.status, sick.status, kept.status) == (503, 503, 200)
    assert running_gateway.ask("GET", "/healthz").status == 200


def test_a_request_to_a_stopped_database_server_is_answered_503_after_a_timeout(
    world: World, running_gateway: RunningGateway, database: "psycopg.Connection[Any]", monkeypatch: pytest.MonkeyPatch
) -> None:
    """It keeps none of its own deadlines: nothing answers, and nothing is closed."""
    key = running_gateway.key(Vendor.ROBASE)
    assert robase(key, running_gateway, "before").status < 300
    monkeypatch.setattr(micro_batch, "LONGEST", 1.0)
    found = database.execute(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchall()

    for (backend,) in found:
        os.kill(backend, signal.SIGSTOP)
    try:
        refused = robase(key, running_gateway, "still")
    finally:
        for (backend,) in found:
            os.kill(backend, signal.SIGCONT)

    assert refused.status == 503
    monkeypatch.setattr(micro_batch, "LONGEST", 20.0)
    assert robase(key, running_gateway, "still").status < 300
    assert world.rows("SELECT count(*) FROM messages") == [2]
