"""Malformed messages in every queue: each is stored as a dead letter and counted, and the next message is processed."""

import json
from collections import Counter
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
import redis

from pipeline.stages import dead_letters
from schema.vocabulary import DeadLetterSource
from tests.broker import redis_channel
from tests.workers.broker.foreign import GOOD, ID, MALFORMED, encoded, protocol_2
from tests.workers.conftest import Eventually, Site
from workers.broker.arguments import TAKES
from workers.broker.task_message import request_id

SECRETS = ("2348012345678", "Your ride")


def push(site: Site, queue: str, *items: Any) -> None:
    """Put items at the end of a queue, as LPUSH does."""
    with site.broker() as connection:
        redis_channel(connection).client.lpush(
            queue, *(each if isinstance(each, bytes) else json.dumps(each).encode() for each in items)
        )


def tally(site: Site) -> Counter[tuple[str, str]]:
    """Return how many messages were set aside, by queue and reason."""
    return Counter({(row["origin"], row["reason"]): row["letters"] for row in dead_letters.counts(site.rt)})


@pytest.fixture(scope="module")
def worked(site: Site) -> Site:
    """A site with one worker on all queues."""
    site.log = site.start_worker("--prefetch-multiplier", "4")
    return site


def test_a_message_that_is_no_task_is_stored_with_its_reason_and_the_next_order_is_sent(
    new_site: Callable[[], Site], eventually: Eventually
) -> None:
    site = new_site()
    said = site.start_worker("--prefetch-multiplier", "4")
    push(site, "ingest", *(item for item, _, _ in MALFORMED.values()))
    request = site.submit()

    eventually(lambda: site.statuses(request) == ["sent"])
    expected = Counter(("ingest", reason) for _, reason, _ in MALFORMED.values())
    eventually(lambda: tally(site).total() >= expected.total())

    assert tally(site) == expected
    assert site.alive
    assert site.unacknowledged() == 0
    log = said.read_text()
    assert log.count("was rejected") == expected.total()
    assert log.count(f"id {ID}") == sum(reported for _, _, reported in MALFORMED.values())
    assert [word for word in SECRETS if word in log] == []
    assert "Traceback" not in log
    kept = dead_letters.listed(site.rt, DeadLetterSource.BROKER, 1000)
    assert Counter((row["origin"], row["reason"]) for row in kept) == expected


@pytest.mark.parametrize("make", GOOD.values(), ids=GOOD)
def test_a_valid_message_of_any_producer_is_processed(
    worked: Site, eventually: Eventually, make: Callable[[str], Any]
) -> None:
    before, request = tally(worked), uuid4()

    push(worked, "ingest", make(str(request)))

    eventually(lambda: worked.statuses(request) == ["sent"])
    assert tally(worked) == before


@pytest.mark.parametrize(("line", "queue"), [("lane", "otp"), ("clock", "clock"), ("carriers far", "carrier.far")])
def test_every_process_that_reads_queues_stores_malformed_messages_as_dead_letters(
    new_site: Callable[[], Site], eventually: Eventually, line: str, queue: str
) -> None:
    site = new_site()
    site.world.add_carrier("far")
    site.world.run(
        """UPDATE carriers SET kind = 'http', settings = '{"url": "http://127.0.0.1:9/"}' WHERE name = 'far'"""
    )
    log = site.start_line(line)

    push(site, queue, *(item for item, _, _ in MALFORMED.values()), b"last")

    eventually(lambda: tally(site).total() == len(MALFORMED) + 1)
    assert site.alive
    assert "Traceback" not in log.read_text()


def test_a_worker_goes_on_reading_its_queue_while_the_database_is_unreachable(
    new_site: Callable[[], Site], eventually: Eventually
) -> None:
    site = new_site()
    log = site.start_worker(POSTROAD_DATABASE_URL="postgresql://nobody@127.0.0.1:9/none")

    push(site, "ingest", *[b"x"] * 300)

    eventually(lambda: log.read_text().count("a message in ingest was rejected") == 300)
    eventually(lambda: "dead letters could not be written yet" in log.read_text())
    assert site.alive
    with site.broker() as connection:
        assert redis_channel(connection).client.llen("ingest") == 0


def test_a_task_id_that_is_no_uuid_is_mapped_to_one_request(worked: Site, eventually: Eventually) -> None:
    push(worked, "ingest", protocol_2("order-7"), protocol_2("order-8"), protocol_2("order-7"))
    last = worked.submit()
    eventually(lambda: worked.statuses(last) == ["sent"])

    assert request_id("order-7") != request_id("order-8")
    found = [worked.statuses(request_id(each)) for each in ("order-7", "order-8")]
    assert [len(each) for each in found] == [1, 1]


def test_messages_with_the_same_delivery_tag_are_all_processed(worked: Site, eventually: Eventually) -> None:
    requests = [uuid4() for _ in range(3)]
    one = protocol_2(str(uuid4()))["properties"]

    push(worked, "ingest", *(protocol_2(str(request)) | {"properties": one} for request in requests))

    for request in requests:
        worked.await_sent(request)


def test_an_expired_order_is_dropped_and_can_be_sent_again_under_its_id(worked: Site, eventually: Eventually) -> None:
    request = uuid4()
    push(worked, "ingest", protocol_2(str(request), expires="2020-01-01T00:00:00+00:00"))

    push(worked, "ingest", protocol_2(str(request)))

    eventually(lambda: worked.statuses(request) == ["sent"])
    assert f"a message in ingest has expired and is dropped, id {request}" in worked.log.read_text()


def command(method: object, **arguments: object) -> dict[str, Any]:
    """Return a broadcast of Celery's remote control."""
    return protocol_2(ID) | {"headers": {}, "body": encoded({"method": method, "arguments": arguments})}


def test_a_malformed_or_forbidden_remote_control_broadcast_is_rejected_and_the_worker_goes_on(
    worked: Site, eventually: Eventually
) -> None:
    request = uuid4()
    junk = [b"x", b"\xff", b"[" * 100_000, b"7", b"{}", json.dumps(protocol_2(ID) | {"headers": []}).encode()]
    orders: list[Any] = [
        protocol_2(ID),
        command({"a": 1}),
        command("shutdown"),
        command("revoke", task_id=[str(request)], terminate=True),
        command("hello", from_node="x", revoked={str(request): 1}),
        command("cancel_consumer", queue="ingest"),
        command("pool_shrink", n=9),
    ]
    junk += [json.dumps(each).encode() for each in orders]
    database = worked.broker_url.rpartition("/")[2]
    with redis.Redis.from_url(worked.broker_url) as client:
        received = [client.publish(f"postroad:/{database}.celery.pidbox", each) for each in junk]

    eventually(lambda: worked.log.read_text().count("a broadcast to celery.pidbox was rejected") == len(junk))
    push(worked, "ingest", protocol_2(str(request)))
    eventually(lambda: worked.statuses(request) == ["sent"])

    assert received == [1] * len(junk)
    assert worked.alive
    assert worked.producer.control.ping(timeout=5, limit=1) != []
    assert [word for word in SECRETS if word in worked.log.read_text()] == []


def test_remote_control_commands_of_flower_are_not_logged_as_rejected(worked: Site) -> None:
    reported = worked.log.read_text().count("was rejected")

    worked.producer.control.enable_events()

    assert worked.producer.control.ping(timeout=5, limit=1) != []
    assert worked.log.read_text().count("was rejected") == reported


def test_orders_are_processed_though_the_keys_of_unacknowledged_messages_are_of_a_wrong_type(
    new_site: Callable[[], Site], eventually: Eventually
) -> None:
    site = new_site()
    push(site, "unacked", "x")
    push(site, "unacked_index", "x")
    site.start_worker()

    requests = [site.submit() for _ in range(5)]
    push(site, "ingest", b"x")

    for request in requests:
        site.await_sent(request)
    eventually(lambda: tally(site)["ingest", "not_json"] == 1)
    assert site.alive


#: what others may put under a key of ours: what it is → the command that does
NO_LISTS: dict[str, tuple[str, ...]] = {
    "a text": ("SET", "{}", "x"),
    "a set, as SADD makes": ("SADD", "{}", "x"),
    "a hash": ("HSET", "{}", "a", "x"),
    "a stream": ("XADD", "{}", "*", "a", "x"),
}


@pytest.mark.parametrize("command", NO_LISTS.values(), ids=NO_LISTS)
def test_a_key_with_a_queue_s_name_that_is_no_list_becomes_a_dead_letter(
    worked: Site, eventually: Eventually, command: tuple[str, ...]
) -> None:
    before = tally(worked)
    with redis.Redis.from_url(worked.broker_url) as client:
        client.execute_command(*(word.format("postroad:bill\x06\x166") for word in command))

    request = worked.submit()

    eventually(lambda: worked.statuses(request) == ["sent"])
    eventually(lambda: tally(worked) - before == {("bill", "no_list"): 1})
    assert worked.alive


@pytest.mark.parametrize("command", NO_LISTS.values(), ids=NO_LISTS)
def test_a_worker_starts_though_its_keys_in_valkey_are_of_a_wrong_type(
    new_site: Callable[[], Site], eventually: Eventually, command: tuple[str, ...]
) -> None:
    site = new_site()
    bindings = [f"_kombu.binding.{each}" for each in ("ingest", "otp", "celery.pidbox", "celeryev")]
    with redis.Redis.from_url(site.broker_url) as client:
        for key in ["ingest", "clock", "unacked_mutex", *bindings]:
            client.execute_command(*(word.format(f"postroad:{key}") for word in command))

    site.start_worker()
    eventually(lambda: tally(site) == {("ingest", "no_list"): 1, ("clock", "no_list"): 1})
    request = site.submit()

    eventually(lambda: site.statuses(request) == ["sent"])
    assert site.alive


def test_every_task_declares_its_arguments(quiet: Site) -> None:
    tasks = quiet.run_python("from workers.tasks import app; print(*app.tasks)").stdout.split()

    assert {each for each in tasks if not each.startswith("celery.")} == set(TAKES)


def test_a_damaged_record_of_an_unacknowledged_message_is_rejected(
    new_site: Callable[[], Site], eventually: Eventually
) -> None:
    site, request = new_site(), uuid4()
    damaged = {"a": b"x", "b": b"[]", "c": json.dumps([{"headers": []}, "", "ingest"]).encode(), "d": b"[7, [], {}]"}
    whole = json.dumps([protocol_2(str(request)), "", "ingest"]).encode()
    with site.broker() as connection:
        client = redis_channel(connection).client
        for tag, record in {**damaged, "e": whole}.items():
            client.hset("unacked", tag, record)
            client.zadd("unacked_index", {tag: 1})

    log = site.start_worker()

    eventually(lambda: site.statuses(request) == ["sent"])
    eventually(lambda: site.unacknowledged() == 0)
    assert log.read_text().count("a message in unacked was rejected: unacked") == len(damaged)
    assert [word for word in SECRETS if word in log.read_text()] == []
