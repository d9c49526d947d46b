"""The gateway: a receipt is committed before its carrier gets 200, stored once, and authenticated."""

import asyncio
import io
import json
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import RawTestServer, TestClient
from sqlalchemy import create_engine, make_url

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin import operator_reports
from pipeline.store import carriers
from tests.workers.conftest import Eventually
from tests.world import World
from workers.gateway.gateway_process import Gateway
from workers.lab.embedded import development

Client = TestClient[Any, Any]
TOKEN = {"Authorization": "Bearer open sesame"}


@pytest.fixture
def world(shared_world: World) -> World:
    """A world without receipts."""
    shared_world.rt.engine.dispose()  # a test before this one may have ended its connections
    shared_world.run("TRUNCATE receipts")
    return shared_world


@pytest.fixture
def settings(world: World) -> Settings:
    found: Settings = world.rt.settings
    return found


@pytest.fixture
def posting(world: World, settings: Settings) -> Callable[..., Any]:
    """Runs a story with a client of a gateway that knows three carriers: open, guarded, and one without receipts."""
    with world.rt.begin() as conn:
        carriers.save(conn, "open", "http", {"base_url": "http://127.0.0.1:1"})
        carriers.save(conn, "guarded", "http", {"base_url": "http://127.0.0.1:1", "receipt_token": "open sesame"})

    def run(story: Callable[[Client], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            with closing(Gateway(Runtime(settings))) as gateway:
                client: Client = TestClient(RawTestServer(gateway.handle))
                async with client:
                    return await asyncio.wait_for(story(client), 60)

        return asyncio.run(main())

    return run


def receipt(**fields: Any) -> dict[str, Any]:
    return {"id": f"c-{uuid4()}", "status": "delivered"} | fields


async def post(client: Client, body: Any, carrier: str = "open", **headers: str) -> tuple[int, Any]:
    """Post JSON (bytes: as they are); return the status and the answer's JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with client.post(f"/receipts/{carrier}", data=io.BytesIO(data), headers=headers) as answer:
        return answer.status, await answer.json()


def one(posting: Callable[..., Any], body: Any, carrier: str = "open", **headers: str) -> tuple[int, Any]:
    answered: tuple[int, Any] = posting(lambda client: post(client, body, carrier, **headers))
    return answered


def kept(world: World) -> int:
    [count] = world.rows("SELECT count(*) FROM receipts")
    return int(count)


def taken(world: World, reference: str) -> UUID:
    """Return a message that the open carrier took under this reference."""
    [message] = world.send().messages
    update = "UPDATE provider_attempts SET carrier = 'open', carrier_ref = %(ref)s WHERE message_id = %(id)s"
    assert world.run(update, ref=reference, id=message) == 1
    return UUID(str(message))


# What is kept --------------------------------------------------------------------------------------------------


def test_a_receipt_is_stored_and_applied(world: World, posting: Callable[..., Any]) -> None:
    message = taken(world, "c-1")

    answer = one(posting, receipt(id="c-1"))

    assert answer == (200, {"kept": True})
    assert world.status(message) == "delivered"


def test_a_list_of_receipts_is_stored_completely(world: World, posting: Callable[..., Any]) -> None:
    answer = one(posting, [receipt() for _ in range(500)])

    assert (answer[0], kept(world)) == (200, 500)


def test_the_200_is_sent_only_after_the_receipt_is_committed(
    world: World, posting: Callable[..., Any], eventually: Eventually
) -> None:
    async def story(client: Client) -> tuple[bool, int, int, int]:
        with world.rt.begin() as conn:
            conn.exec_driver_sql("LOCK TABLE receipts IN EXCLUSIVE MODE")
            answer = asyncio.create_task(post(client, receipt()))
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            await asyncio.to_thread(eventually, lambda: world.rows(waits) == [1])
            early, before = answer.done(), kept(world)
        status, _ = await answer
        return early, before, status, kept(world)

    assert posting(story) == (False, 0, 200, 1)


def test_a_receipt_that_is_posted_repeatedly_is_stored_once(world: World, posting: Callable[..., Any]) -> None:
    same = receipt()

    async def story(client: Client) -> list[int]:
        together = await asyncio.gather(*(post(client, same) for _ in range(10)))
        again = await post(client, [same, same])
        return [status for status, _ in (*together, again)]

    assert set(posting(story)) == {200}
    assert kept(world) == 1


def test_a_thousand_concurrent_receipts_are_stored_in_few_transactions(
    world: World, posting: Callable[..., Any]
) -> None:
    async def story(client: Client) -> list[int]:
        url = client.make_url("/receipts/open")
        async with ClientSession(connector=TCPConnector(limit=200)) as session:

            async def send() -> int:
                async with session.post(url, json=receipt()) as answer:
                    return answer.status

            return await asyncio.gather(*(send() for _ in range(1000)))

    assert posting(story) == [200] * 1000

    assert kept(world) == 1000
    [transactions] = world.rows("SELECT count(DISTINCT xmin::text) FROM receipts")
    assert transactions <= 200


def test_a_receipt_with_an_extreme_time_does_not_break_the_message_report(
    world: World, posting: Callable[..., Any]
) -> None:
    message = taken(world, "c-2")

    one(posting, receipt(id="c-2", at="9999-12-31T23:59:59-12:00"))

    assert isinstance(operator_reports.report_of(world.rt, message), operator_reports.MessageReport)


# What is not ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        pytest.param(TOKEN, 200, id="its token"),
        pytest.param({}, 401, id="no token"),
        pytest.param({"Authorization": "Bearer close sesame"}, 401, id="another token"),
        pytest.param({"Authorization": "open sesame"}, 401, id="no bearer"),
        pytest.param({"Authorization": "Bearer öpen"}, 401, id="no ASCII"),
    ],
)
def test_a_receipt_without_its_carrier_s_token_gets_401(
    world: World, posting: Callable[..., Any], headers: dict[str, str], status: int
) -> None:
    answer = one(posting, receipt(), "guarded", **headers)

    assert answer[0] == status
    assert kept(world) == (status == 200)
    assert "sesame" not in str(answer[1])


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"{", id="JSON cut off"),
        pytest.param(b"\xff\xfe", id="no UTF-8"),
        pytest.param(b"[" * 100_000, id="deeper than anyone reads"),
        pytest.param(7, id="a number"),
        pytest.param(["x"], id="a list of strings"),
        pytest.param({"status": "delivered"}, id="of which message"),
        pytest.param(receipt(status="gone"), id="a status that is none"),
        pytest.param(receipt(status=["delivered"]), id="a list for a status"),
        pytest.param(receipt(id="x\x00"), id="NUL"),
        pytest.param(receipt(id="\ud800"), id="half a surrogate pair"),
        pytest.param(receipt(id="x" * 10_000), id="an endless reference"),
        pytest.param([receipt(), {}], id="one good, one not"),
    ],
)
def test_a_malformed_receipt_becomes_a_dead_letter_and_gets_200(
    world: World, posting: Callable[..., Any], body: Any
) -> None:
    before = set_aside(world)

    status, _ = one(posting, body)

    assert status == 200
    assert set_aside(world) == before + 1


@pytest.mark.parametrize("at", ["yesterday", "9999-12-31T23:59:59-12:00"])
def test_a_receipt_with_an_unreadable_time_is_stored_without_it(
    world: World, posting: Callable[..., Any], at: str
) -> None:
    before = set_aside(world)

    status, _ = one(posting, receipt(at=at))

    assert (status, kept(world), set_aside(world)) == (200, 1, before)


def set_aside(world: World) -> int:
    [count] = world.rows("SELECT coalesce(sum(letters), 0)::int FROM dead_letter_counts")
    return int(count)


@pytest.mark.parametrize("carrier", ["nobody", "alpha", "simulated", "%00", "..%2f", "' OR 1=1"])
def test_a_carrier_without_http_receipts_gets_401(world: World, posting: Callable[..., Any], carrier: str) -> None:
    status, answer = one(posting, receipt(), carrier)

    assert (status, kept(world)) == (401, 0)
    assert answer["error"]["message"]


def test_a_request_that_is_too_large_gets_413_in_json(world: World, posting: Callable[..., Any]) -> None:
    status, answer = one(posting, b"[" + b" " * 1024 * 1024 + b"]")

    assert status == 413
    assert answer["error"]["message"]
    assert kept(world) == 0


# The database away ---------------------------------------------------------------------------------------------


@contextmanager
def away(pair: development.EmbeddedServers, settings: Settings) -> Iterator[None]:
    """Shut the test's database, and open it again."""
    name = make_url(settings.database_url.get_secret_value()).database
    url = make_url(pair.database_url).set(drivername="postgresql+psycopg")
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as conn:
        conn.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        conn.exec_driver_sql(f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'")
        yield
        conn.exec_driver_sql(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    engine.dispose()


async def health(client: Client) -> int:
    async with client.get("/healthz") as answer:
        await answer.json()
        return answer.status


def test_receipts_get_503_while_the_database_is_unreachable_and_are_stored_when_posted_again(
    world: World,
    posting: Callable[..., Any],
    pair: development.EmbeddedServers,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    same = receipt(id="+2348012345678")

    async def story(client: Client) -> list[int]:
        before = await health(client)
        with away(pair, settings):
            refused, words = await post(client, same)
            sick = await health(client)
        again, _ = await post(client, same)
        assert words["error"]["message"]
        return [before, refused, sick, again, await health(client)]

    with caplog.at_level(logging.DEBUG):
        answers = posting(story)

    assert answers == [200, 503, 503, 200, 200]
    world.rt.engine.dispose()
    assert kept(world) == 1
    assert "2348012345678" not in caplog.text


def test_a_gateway_started_while_the_database_is_unreachable_serves_once_it_is_reachable(
    world: World, posting: Callable[..., Any], pair: development.EmbeddedServers, settings: Settings
) -> None:
    async def story(client: Client) -> list[int]:
        with away(pair, settings):
            refused, _ = await post(client, receipt())
        again, _ = await post(client, receipt())
        return [refused, again]

    assert posting(story) == [503, 200]


def test_receipts_of_a_carrier_added_later_are_accepted(world: World, posting: Callable[..., Any]) -> None:
    async def story(client: Client) -> list[int]:
        before, _ = await post(client, receipt(), "new")
        with world.rt.begin() as conn:
            carriers.save(conn, "new", "http", {"base_url": "http://127.0.0.1:1"})
        await health(client)
        after, _ = await post(client, receipt(), "new")
        return [before, after]

    assert posting(story) == [401, 200]


def test_closing_the_gateway_closes_its_database_connections(settings: Settings) -> None:
    rt = Runtime(settings)

    async def main() -> None:
        with closing(Gateway(rt)) as gateway:
            client: Client = TestClient(RawTestServer(gateway.handle))
            async with client:
                assert await health(client) == 200

    asyncio.run(main())

    with closing(rt):
        assert rt.engine.pool.checkedin() == 0  # type: ignore[attr-defined]
