"""Receipts posted by carriers are applied before the carrier gets 200; those that cannot be, by the next tick."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any
from uuid import UUID

import pytest
from aiohttp.test_utils import RawTestServer, TestClient

from pipeline.database import Deadlines
from pipeline.runtime import Runtime
from pipeline.stages.admin.audit import audit
from pipeline.stages.settle import settle
from pipeline.store import carriers
from schema.carriage import CarrierEvents, Receipt
from schema.vocabulary import ReceiptVerdict
from tests.world import World, message_ids
from workers.gateway.gateway_process import Gateway
from workers.wiring import take_events

Client = TestClient[Any, Any]
#: a gateway that waits no longer than this for a lock
IMPATIENT = Deadlines(lock=0.2, statement=15)


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """A world without receipts and dead letters, whose messages are audited in the end."""
    shared_world.run("TRUNCATE receipts")
    shared_world.run("TRUNCATE dead_letters, dead_letter_counts")
    yield shared_world
    assert [finding for finding in audit(shared_world.rt) if finding.broken] == []


@pytest.fixture
def posting(world: World) -> Callable[[Callable[[Client], Awaitable[Any]]], Any]:
    """Runs a function with a client of a gateway that knows two carriers, open and other."""
    with world.rt.begin() as conn:
        for name in ("open", "other"):
            carriers.save(conn, name, "http", {"base_url": "http://127.0.0.1:1"})

    def run(use: Callable[[Client], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            with closing(Gateway(Runtime(world.rt.settings, deadlines=IMPATIENT))) as gateway:
                client: Client = TestClient(RawTestServer(gateway.handle))
                async with client:
                    return await asyncio.wait_for(use(client), 60)

        return asyncio.run(main())

    return run


def accepted(world: World, reference: str, carrier: str = "open") -> UUID:
    """Return a message that the carrier accepted under this reference."""
    [message] = message_ids(world.send())
    _record(world, message, reference, carrier)
    return message


def _record(world: World, message: UUID, reference: str, carrier: str = "open") -> None:
    update = "UPDATE provider_attempts SET carrier = %(carrier)s, carrier_ref = %(ref)s WHERE message_id = %(id)s"
    assert world.run(update, ref=reference, id=message, carrier=carrier) == 1


def receipt(reference: str, status: str = "delivered") -> dict[str, str]:
    return {"id": reference, "status": status}


async def post(client: Client, body: Any, carrier: str = "open") -> int:
    """Post JSON; return the status of the response."""
    async with client.post(f"/receipts/{carrier}", data=json.dumps(body).encode()) as answer:
        return answer.status


def states(world: World) -> list[Any]:
    return world.rows("SELECT carrier, carrier_ref, state FROM receipts ORDER BY carrier, carrier_ref")


def test_a_receipt_is_applied_before_its_carrier_gets_200(
    world: World, posting: Callable[[Callable[[Client], Awaitable[Any]]], Any]
) -> None:
    done, lost = accepted(world, "a-1"), accepted(world, "a-2")

    async def use(client: Client) -> tuple[int, str, int, str]:
        first = await post(client, receipt("a-1"))
        status = await asyncio.to_thread(world.status, done)
        second = await post(client, receipt("a-2", "failed"))
        return first, status, second, await asyncio.to_thread(world.status, lost)

    assert posting(use) == (200, "delivered", 200, "failed")
    assert states(world) == [("open", "a-1", "applied"), ("open", "a-2", "applied")]


def test_a_receipt_that_is_posted_again_changes_nothing(
    world: World, posting: Callable[[Callable[[Client], Awaitable[Any]]], Any]
) -> None:
    world.run("UPDATE accounts SET subscribes = true")
    message = accepted(world, "b-1")
    events = "SELECT status FROM events WHERE message_id = %(id)s"

    async def use(client: Client) -> list[int]:
        await post(client, receipt("b-1"))
        together = await asyncio.gather(*(post(client, [receipt("b-1")] * 2) for _ in range(10)))
        return [*together, await post(client, receipt("b-1"))]

    before = world.rows(events, id=message)
    assert set(posting(use)) == {200}

    assert states(world) == [("open", "b-1", "applied")]
    assert world.status(message) == "delivered"
    assert sorted(world.rows(events, id=message)) == sorted([*before, "delivered"])


def test_two_carriers_that_use_the_same_reference_settle_their_own_messages(
    world: World, posting: Callable[[Callable[[Client], Awaitable[Any]]], Any]
) -> None:
    ours, theirs = accepted(world, "7", "open"), accepted(world, "7", "other")
    waiting = accepted(world, "8", "other")

    async def use(client: Client) -> list[int]:
        posts = (post(client, receipt("7"), "open"), post(client, receipt("7"), "other"))
        unmatched = (post(client, receipt("8"), "open"), post(client, receipt("8"), "other"))
        return list(await asyncio.gather(*posts, *unmatched))

    assert posting(use) == [200] * 4

    assert [world.status(each) for each in (ours, theirs, waiting)] == ["delivered"] * 3
    assert states(world) == [
        ("open", "7", "applied"),
        ("open", "8", "waiting"),
        ("other", "7", "applied"),
        ("other", "8", "applied"),
    ]


def test_a_receipt_that_comes_before_its_attempt_is_recorded_waits_for_the_tick(
    world: World, posting: Callable[[Callable[[Client], Awaitable[Any]]], Any]
) -> None:
    [message] = message_ids(world.send())
    assert posting(lambda client: post(client, receipt("d-1"))) == 200
    assert states(world) == [("open", "d-1", "waiting")]

    _record(world, message, "d-1")
    settle(world.rt)

    assert states(world) == [("open", "d-1", "applied")]
    assert world.status(message) == "delivered"


def test_a_receipt_whose_message_is_locked_is_stored_and_applied_by_the_tick(
    world: World, posting: Callable[[Callable[[Client], Awaitable[Any]]], Any]
) -> None:
    locked, free = accepted(world, "e-1"), accepted(world, "e-2")

    async def use(client: Client) -> int:
        with world.rt.begin() as conn:
            conn.exec_driver_sql("SELECT FROM messages WHERE id = %(id)s FOR UPDATE", {"id": locked})
            return await post(client, [receipt("e-1"), receipt("e-2")])

    assert posting(use) == 200
    assert states(world) == [("open", "e-1", "waiting"), ("open", "e-2", "waiting")]

    settle(world.rt)

    assert [world.status(locked), world.status(free)] == ["delivered"] * 2
    assert states(world) == [("open", "e-1", "applied"), ("open", "e-2", "applied")]


def test_a_receipt_that_the_database_rejects_becomes_a_dead_letter_and_the_others_are_applied(
    world: World, posting: Callable[[Callable[[Client], Awaitable[Any]]], Any]
) -> None:
    good = [accepted(world, f"f-{n}") for n in range(3)]
    posted = [receipt("f-0"), receipt("refused"), receipt("f-1")]

    with _refusing(world, "carrier_ref = 'refused'"):
        answers = posting(lambda client: _both(post(client, posted), post(client, receipt("f-2"))))

    assert answers == [200, 200]
    assert [world.status(each) for each in good] == ["delivered"] * 3
    assert world.rows("SELECT origin, reason, letters FROM dead_letter_counts") == [("open", "not_storable", 1)]


def test_gateways_and_the_tick_apply_the_same_receipts_once(world: World) -> None:
    world.run("UPDATE accounts SET subscribes = true")
    sent = message_ids(world.send(*(f"+23480123457{n:02}" for n in range(60))))
    verdicts = (ReceiptVerdict.FAILED, ReceiptVerdict.DELIVERED)
    posted = [
        Receipt("alpha", f"{message}/{verdict}", verdict, None, message, None, None, "{}")
        for verdict in verdicts
        for message in sent
    ]
    runtimes = [Runtime(world.rt.settings) for _ in range(4)]
    together = threading.Barrier(len(runtimes))

    def take(place: int) -> None:
        together.wait()
        for start in range(0, len(posted), 40):
            if place == 3:
                settle(runtimes[place])
            else:  # a duplicate of each, in another order
                ordered = posted if place == 0 else posted[::-1]
                take_events(runtimes[place], CarrierEvents(ordered[start : start + 40], []))

    with ThreadPoolExecutor(len(runtimes)) as pool:
        list(pool.map(take, range(len(runtimes))))
    settle(world.rt)
    for rt in runtimes:
        rt.close()

    assert {world.status(message) for message in sent} == {"delivered"}
    delivered = "SELECT message_id FROM events WHERE status = 'delivered' AND message_id = ANY(%(ids)s)"
    assert sorted(world.rows(delivered, ids=sent)) == sorted(sent)
    assert world.rows("SELECT count(*) FROM receipts WHERE state = 'waiting'") == [0]


async def _both(*posts: Awaitable[int]) -> list[int]:
    return await asyncio.gather(*posts)


@contextmanager
def _refusing(world: World, condition: str) -> Iterator[None]:
    """Make the database refuse receipts that fulfil a condition."""
    world.run(f"ALTER TABLE receipts ADD CONSTRAINT refusing CHECK (NOT coalesce({condition}, false))")
    try:
        yield
    finally:
        world.run("ALTER TABLE receipts DROP CONSTRAINT refusing")
