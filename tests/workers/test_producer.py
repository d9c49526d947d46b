"""The producer: needs only Celery and the package schema."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122, UUID, uuid4

import pytest
from kombu.exceptions import OperationalError

from pipeline.stages.admit import admit
from pipeline.stages.ingest import ingest
from schema.message_class import MessageClass
from schema.order import Order
from schema.order_reader import read
from tests.broker import redis_channel
from tests.workers.conftest import Site
from workers.producer import producer, submit

#: a producer's whole program, in a Python that has no other part of the house and none of its libraries
ALONE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {refused!r} or name.startswith("workers.") and name != "workers.producer":
            raise ImportError("a producer has no " + name)

sys.meta_path.insert(0, Refuse())

from schema.order import Order
from workers.producer import submit

print(submit(Order.model_validate_json({order!r})))
"""
REFUSED = {
    "pipeline",
    "sqlalchemy",
    "alembic",
    "psycopg",
    "pydantic_settings",
    "phonenumbers",
    "aiohttp",
    "flower",
}


@pytest.fixture(autouse=True)
def _empty(quiet: Site) -> Iterator[None]:
    yield
    for queue in ("ingest", "otp"):
        quiet.waiting(queue)


def test_submit_imports_only_celery_and_schema(quiet: Site) -> None:
    order = quiet.world.order()

    child = quiet.run_python(ALONE.format(refused=REFUSED, order=order.model_dump_json(by_alias=True)))

    assert child.stderr == ""
    [(headers, _)] = quiet.waiting("ingest")
    assert headers["id"] == child.stdout.strip()


def test_the_import_hook_of_these_tests_blocks_other_packages(quiet: Site) -> None:
    code = ALONE.format(refused=REFUSED, order="{}").replace("from schema.order", "import pipeline\nfrom schema.order")

    child = quiet.run_python(code)

    assert "a producer has no pipeline" in child.stderr


def test_an_order_is_enqueued_unchanged(quiet: Site) -> None:
    order = quiet.world.order("+2348012345678", "+447911123456", merge={"who": "Ада"}, test=True, idempotency_key="k")

    request = submit(order, app=quiet.producer)

    [(headers, ((sent,), named, _))] = quiet.waiting("ingest")
    arrived = read(sent)
    assert isinstance(arrived, Order)
    assert arrived.model_copy(update={"submitted_at": None}) == order
    assert (headers["task"], headers["id"], named) == ("sms.ingest", str(request), {})


def test_a_request_id_is_a_uuid_of_version_7_with_the_current_time(quiet: Site) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)

    request = submit(quiet.world.order(), app=quiet.producer)

    assert (request.version, request.variant) == (7, RFC_4122)
    assert before <= datetime.fromtimestamp((request.int >> 80) / 1000, UTC) <= datetime.now(UTC)


def test_submitted_at_is_set_unless_the_order_has_it(quiet: Site) -> None:
    earlier = datetime(2027, 3, 1, 12, tzinfo=UTC)

    submit(quiet.world.order(), app=quiet.producer)
    submit(quiet.world.order(submitted_at=earlier), app=quiet.producer)

    first, second = (read(sent[0][0]) for _, sent in quiet.waiting("ingest"))
    assert isinstance(first, Order)
    assert first.submitted_at is not None
    assert abs(datetime.now(UTC) - first.submitted_at) < timedelta(minutes=1)
    assert isinstance(second, Order)
    assert second.submitted_at == earlier


@pytest.mark.parametrize("message_class", MessageClass)
def test_only_otp_orders_go_to_the_otp_queue(quiet: Site, message_class: MessageClass) -> None:
    submit(quiet.world.order(**{"class": message_class}), app=quiet.producer)

    found = {queue: len(quiet.waiting(queue)) for queue in ("ingest", "otp")}

    assert found == ({"ingest": 0, "otp": 1} if message_class is MessageClass.OTP else {"ingest": 1, "otp": 0})


def test_two_orders_with_the_same_request_id_are_one_request(quiet: Site) -> None:
    request = uuid4()

    for _ in range(2):
        assert submit(quiet.world.order(), request=request, app=quiet.producer) == request

    twice = [(UUID(headers["id"]), read(sent[0])) for headers, (sent, _, _) in quiet.waiting("ingest")]
    answers = [answer for asked in twice for answer in ingest(quiet.rt, admit(quiet.rt, [asked]))]
    assert [answer.replayed for answer in answers] == [False, True]
    assert answers[0].messages == answers[1].messages
    assert quiet.world.rows("SELECT count(*) FROM messages WHERE request_id = %(id)s", id=request) == [1]


def test_task_headers_contain_nothing_of_the_order(quiet: Site) -> None:
    submit(quiet.world.order(merge={"code": "4711"}, body="secret ${code}"), app=quiet.producer)

    [(headers, _)] = quiet.waiting("ingest")

    beside = json.dumps(headers)
    assert not [word for word in ("2348012345678", "4711", "secret") if word in beside]


def test_submit_raises_an_error_while_the_broker_is_unreachable(quiet: Site) -> None:
    away = producer("redis://127.0.0.1:1/0")

    with pytest.raises(OperationalError):
        submit(quiet.world.order(), app=away)


def test_without_a_broker_url_the_error_names_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTROAD_BROKER_URL", raising=False)
    monkeypatch.delenv("BROKER_URL", raising=False)

    with pytest.raises(RuntimeError, match="BROKER_URL"):
        producer()


def test_a_producer_reuses_its_broker_connections(quiet: Site) -> None:
    with quiet.broker() as connection:
        client = redis_channel(connection).client
        before = client.info("stats")["total_connections_received"]
        for _ in range(20):
            submit(quiet.world.order(), app=quiet.producer)
        made = client.info("stats")["total_connections_received"] - before

    assert made <= 4
