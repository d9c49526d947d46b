"""The Celery tasks with a real worker: orders are sent, and malformed messages stop no worker."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any
from uuid import uuid4

import pytest
from celery.signals import worker_process_shutdown

from pipeline.stages.admin.audit import audit
from schema.message import Hint
from schema.message_class import MessageClass
from tests.workers.conftest import Eventually, Site
from workers.queues import QUEUES
from workers.task_calls import deliver_calls

ORDER = {"account": "acme", "sender": "ACME", "body": "Your ride", "recipients": [{"to": "+2348012345678"}]}
INGEST = {"task": "sms.ingest", "lang": "js"}


@pytest.fixture(scope="module")
def worked(site: Site) -> Site:
    """A site where one worker works on all queues."""
    site.log = site.start_worker()
    return site


@pytest.fixture(autouse=True)
def _sound(site: Site) -> Iterator[None]:
    """Whatever a test does here, the invariants hold afterwards."""
    yield
    assert [finding for finding in audit(site.rt) if finding.broken] == []


# All the way ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("message_class", MessageClass)
def test_an_order_of_every_class_is_sent(worked: Site, eventually: Eventually, message_class: MessageClass) -> None:
    request = worked.submit("+2348012345678", "+447911123456", **{"class": message_class})

    eventually(lambda: worked.statuses(request) == ["sent", "sent"])

    assert worked.answer(request).request["class"] == message_class


def test_a_message_refused_by_one_carrier_is_sent_by_the_next(worked: Site, eventually: Eventually) -> None:
    worked.world.add_carrier("busy", {"refuse_transient:full": 1}, route="4179", rank=1)

    request = worked.submit("+41791234567")
    eventually(lambda: worked.statuses(request) == ["sent"])

    [message] = worked.answer(request).messages
    tried = "SELECT carrier, outcome FROM provider_attempts WHERE message_id = %(id)s ORDER BY n"
    assert worked.world.rows(tried, id=message["id"]) == [("busy", "refused_transient"), ("alpha", "accepted")]


def test_a_scheduled_order_is_promoted_by_the_promote_task(worked: Site, eventually: Eventually) -> None:
    request = worked.submit(send_at=datetime.now(UTC) + timedelta(hours=1))
    eventually(lambda: worked.world.rows("SELECT count(*) FROM batches WHERE status = 'scheduled'") == [1])

    worked.world.make_due()
    worked.publish("clock", [[], {}, {}], task="sms.promote")

    eventually(lambda: worked.statuses(request) == ["sent"])


def test_a_lost_hint_is_published_again_by_the_sweep_task(worked: Site, eventually: Eventually) -> None:
    [answer] = worked.world.submit(worked.world.order())
    worked.world.run("UPDATE batches SET hinted_at = now() - interval '1 hour' WHERE status = 'admitted'")

    worked.publish("clock", [[], {}, {}], task="sms.sweep")

    eventually(lambda: worked.statuses(answer.request) == ["sent"])


def test_a_duplicated_hint_sends_a_message_once(worked: Site, eventually: Eventually) -> None:
    request = worked.submit()
    eventually(lambda: worked.statuses(request) == ["sent"])
    [batch] = worked.world.rows("SELECT id::text FROM batches ORDER BY created_at DESC LIMIT 1")

    worked.publish("segment", [[batch, "transactional"], {}, {}], task="sms.segment")
    worked.publish("bill", [[batch, [1]], {}, {}], task="sms.bill")
    worked.publish("deliver", [[[batch, batch]], {}, {}], task="sms.deliver")
    after = worked.submit()
    eventually(lambda: worked.statuses(after) == ["sent"])

    [message] = worked.answer(request).messages
    tries = "SELECT count(*) FROM provider_attempts WHERE message_id = %(id)s"
    assert worked.world.rows(tries, id=message["id"]) == [1]


# Producers of other makes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        pytest.param([[ORDER], {}, {}], INGEST, id="protocol 2"),
        pytest.param([[ORDER], {}, None], INGEST, id="null for what is not used"),
        pytest.param([[], {"order": ORDER}, {}], INGEST, id="by name"),
        pytest.param({"args": [ORDER], "kwargs": {}}, INGEST, id="a dict for a body"),
        pytest.param(
            [[ORDER], {}, {}], INGEST | {"shadow": "sms.maintenance", "timelimit": 5}, id="headers that are wrong"
        ),
    ],
)
def test_an_order_published_as_raw_json_is_sent(
    worked: Site, eventually: Eventually, body: Any, headers: dict[str, Any]
) -> None:
    request = worked.publish("ingest", body, **headers)

    eventually(lambda: worked.statuses(request) == ["sent"])


def test_an_order_of_celery_protocol_1_is_sent(worked: Site, eventually: Eventually) -> None:
    request = uuid4()

    worked.publish("ingest", {"task": "sms.ingest", "id": str(request), "args": [ORDER], "kwargs": {}}, id=str(request))

    eventually(lambda: worked.statuses(request) == ["sent"])


def test_a_task_delivered_twice_is_one_request(worked: Site, eventually: Eventually) -> None:
    request = worked.publish("ingest", [[ORDER], {}, {}], **INGEST)
    worked.publish("ingest", [[ORDER], {}, {}], **INGEST | {"id": str(request)})
    last = worked.submit()

    eventually(lambda: worked.statuses(last) == ["sent"])

    assert worked.statuses(request) == ["sent"]
    assert worked.world.rows("SELECT count(*) FROM messages WHERE request_id = %(id)s", id=request) == [1]


# What is no order ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "code", "field"),
    [
        pytest.param(None, "invalid_field", None, id="null"),
        pytest.param(7, "invalid_field", None, id="a number"),
        pytest.param("hello", "bad_json", None, id="a string"),
        pytest.param([ORDER], "invalid_field", None, id="a list"),
        pytest.param(ORDER | {"body": 7}, "invalid_field", "body", id="a number for a text"),
        pytest.param(ORDER | {"recipients": "+234"}, "invalid_field", "recipients", id="a string for recipients"),
        pytest.param(ORDER | {"recipients": [ORDER["recipients"][0]] * 10_001}, "too_many", "recipients", id="10,001"),
        pytest.param(ORDER | {"body": "\x00"}, "invalid_field", "body", id="NUL"),
        pytest.param(ORDER | {"body": "\ud800"}, "invalid_field", "body", id="half a surrogate pair"),
        pytest.param(ORDER | {"\x00": 1}, "invalid_field", "\\x00", id="NUL in an unknown field's name"),
        pytest.param(ORDER | {"account": "nobody"}, "account_unknown", "account", id="unknown account"),
        pytest.param(
            ORDER | {"valid_until": "9999-12-31T23:59:59-12:00"}, "validity_bad", "valid_until", id="valid for ever"
        ),
        pytest.param(
            ORDER | {"idempotency_key": "k", "merge": {"\ud800": "x"}},
            "invalid_field",
            "merge.\ufffd\ufffd\ufffd.[key]",
            id="a key",
        ),
    ],
)
def test_an_invalid_order_is_stored_as_a_refused_request(
    worked: Site, order: object, code: str, field: str | None
) -> None:
    request = worked.publish("ingest", [[order], {}, {}], **INGEST)

    answer = worked.answer(request)

    assert (answer.request["accepted"], answer.messages) == (0, [])
    assert [(each["code"], each["field"]) for each in answer.request["refusals"]] == [(code, field)]


@pytest.mark.parametrize("number", ["", "hello", "9" * 65, "+234\x00", "+1"], ids=ascii)
def test_an_invalid_number_is_refused_without_affecting_other_recipients(
    worked: Site, eventually: Eventually, number: str
) -> None:
    recipients = [{"to": "+2348012345678"}, {"to": number}, {"to": "+447911123456"}]

    request = worked.publish("ingest", [[ORDER | {"recipients": recipients}], {}, {}], **INGEST)

    eventually(lambda: worked.statuses(request) == ["sent", "sent"])
    [refusal] = worked.answer(request).request["refusals"]
    assert (refusal["code"], refusal["field"]) == ("phone_invalid", "recipients[1].to")


@pytest.mark.parametrize(
    ("queue", "body", "headers"),
    [
        pytest.param("ingest", ORDER, INGEST, id="the order itself for a body"),
        pytest.param("ingest", [ORDER], INGEST, id="a list of orders for a body"),
        pytest.param("ingest", [[ORDER], {}], INGEST, id="two parts of three"),
        pytest.param("ingest", [ORDER, {}, {}], INGEST, id="an order for the arguments"),
        pytest.param("ingest", [[ORDER], None, {}], INGEST, id="null for the named arguments"),
        pytest.param("ingest", [[ORDER, ORDER], {}, {}], INGEST, id="two orders"),
        pytest.param("ingest", [[], ORDER, {}], INGEST, id="the order's fields for arguments"),
        pytest.param("ingest", [[ORDER], {}, {}], INGEST | {"id": None}, id="no id"),
        pytest.param("ingest", [[ORDER], {}, {}], INGEST | {"id": 7}, id="a number for an id"),
        pytest.param("ingest", [[ORDER], {}, {}], INGEST | {"expires": {"a": 1}}, id="expires when"),
        pytest.param("ingest", [[ORDER], {}, {}], INGEST | {"eta": "soon"}, id="due when"),
        pytest.param("ingest", [[ORDER], {}, {}], {"lang": "js"}, id="no task"),
        pytest.param("ingest", [[ORDER], {}, {}], {"task": "sms.ingets"}, id="a task that is none"),
        pytest.param("ingest", b'{"account', INGEST, id="JSON cut off"),
        pytest.param(
            "ingest", b"cos\nsystem", INGEST | {"content_type": "application/x-python-serialize"}, id="pickle"
        ),
        pytest.param("segment", [7, {}, {}], {"task": "sms.segment"}, id="a number to segment"),
        pytest.param("bill", [["x", 5], {}, {}], {"task": "sms.bill"}, id="no measures to bill"),
        pytest.param("deliver", [[ORDER], {}, {}], {"task": "sms.deliver"}, id="an order to deliver"),
    ],
)
def test_a_message_that_is_no_task_is_dropped_and_the_next_order_is_sent(
    worked: Site, eventually: Eventually, queue: str, body: Any, headers: dict[str, Any]
) -> None:
    known = worked.world.rows("SELECT count(*) FROM requests")

    worked.publish(queue, body, **headers)
    request = worked.submit()
    eventually(lambda: worked.statuses(request) == ["sent"])

    assert worked.alive
    assert worked.world.rows("SELECT count(*) FROM requests") == [known[0] + 1]


def test_no_message_stays_in_the_broker_after_processing(worked: Site, eventually: Eventually) -> None:
    request = worked.submit()
    eventually(lambda: worked.statuses(request) == ["sent"])

    eventually(lambda: worked.unacknowledged() == 0)

    assert [worked.waiting(queue) for queue in ("ingest", "segment", "bill", "deliver", "otp")] == [[]] * 5


# Hints, without a worker ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tasks(quiet: Site) -> Iterator[ModuleType]:
    """The module workers.tasks, imported for a broker on which nobody works."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in quiet.environment.items():
            patch.setenv(name, value)
        from pipeline.settings import settings

        settings.cache_clear()
        from workers import tasks as module
        from workers.app import app

        app.conf.update(broker_url=quiet.broker_url)
        yield module
        # one process may have a part of these tests twice: nothing of this broker and database may stay
        worker_process_shutdown.send(sender=None)
        app.close()
        del app.amqp
        settings.cache_clear()


def hint(size: int = 1, carrier: str = "alpha", message_class: MessageClass = MessageClass.BULK) -> Hint:
    return Hint(uuid4(), message_class, carrier, size)


def test_hints_are_grouped_by_carrier_and_queue(quiet: Site, tasks: ModuleType) -> None:
    bulk, otp = [hint(), hint(message_class=MessageClass.TRANSACTIONAL)], [hint(message_class=MessageClass.OTP)]
    other = [hint(carrier="beta"), hint(carrier="beta")]

    tasks.publish(deliver_calls(tasks.runtime(), [bulk[0], other[0], otp[0], bulk[1], other[1]]))

    expected = [[str(each.batch) for each in group] for group in (bulk, other)]
    assert [body[0][0] for _, body in quiet.waiting("deliver")] == expected
    assert [body[0][0] for _, body in quiet.waiting("otp")] == [[str(otp[0].batch)]]


@pytest.mark.parametrize(
    ("sizes", "portions"),
    [
        pytest.param([1] * 450, [200, 200, 50], id="two hundred batches at most"),
        pytest.param([400, 400, 400], [2, 1], id="a thousand messages at most"),
        pytest.param([1000, 1, 1000], [1, 1, 1], id="a full one alone"),
        pytest.param([5000, 5000], [1, 1], id="a larger one alone"),
        pytest.param([], [], id="none"),
    ],
)
def test_a_hint_names_a_limited_number_of_batches_and_messages(
    quiet: Site, tasks: ModuleType, sizes: list[int], portions: list[int]
) -> None:
    hints = [hint(size) for size in sizes]

    tasks.publish(deliver_calls(tasks.runtime(), hints))

    sent = [body[0][0] for _, body in quiet.waiting("deliver")]
    assert [len(portion) for portion in sent] == portions
    assert [batch for portion in sent for batch in portion] == [str(each.batch) for each in hints]


@pytest.mark.parametrize("message_class", MessageClass)
def test_tasks_of_otp_messages_are_published_to_the_otp_queue(
    quiet: Site, tasks: ModuleType, message_class: MessageClass
) -> None:
    [answer] = quiet.world.submit(quiet.world.order(**{"class": message_class}))
    lane = "otp" if message_class is MessageClass.OTP else None

    tasks.segment_batch.apply((str(answer.batches[0]), str(message_class))).get()
    [(_, (billed, _, _))] = quiet.waiting(lane or "bill")
    tasks.bill_batch.apply(billed).get()
    [(_, ((delivered,), _, _))] = quiet.waiting(lane or "deliver")

    assert delivered == [str(answer.batches[0])]
    assert [quiet.waiting(queue.name) for queue in QUEUES] == [[]] * len(QUEUES)


@pytest.mark.parametrize("message_class", MessageClass)
def test_ingest_publishes_the_next_task_except_for_otp_orders(
    quiet: Site, tasks: ModuleType, message_class: MessageClass
) -> None:
    order = quiet.world.order(**{"class": message_class}).model_dump(mode="json", by_alias=True)

    tasks.ingest_order.apply((order,)).get()

    waiting = {queue.name for queue in QUEUES if quiet.waiting(queue.name)}
    assert waiting == (set() if message_class is MessageClass.OTP else {"segment"})


def test_an_otp_order_is_sent_by_the_task_that_ingests_it(quiet: Site, tasks: ModuleType) -> None:
    order = quiet.world.order("+41791112233", **{"class": "otp"}).model_dump(mode="json", by_alias=True)

    tasks.ingest_order.apply((order,)).get()

    assert quiet.world.rows("SELECT status FROM messages WHERE phone = '+41791112233'") == ["sent"]


def test_an_otp_order_is_enqueued_behind_others_that_wait(quiet: Site, tasks: ModuleType) -> None:
    order = quiet.world.order("+41791112244", **{"class": "otp"}).model_dump(mode="json", by_alias=True)
    quiet.publish("otp", [[order], {}, {}], **INGEST)

    tasks.ingest_order.apply((order,)).get()

    assert quiet.world.rows("SELECT status FROM messages WHERE phone = '+41791112244'") == [None]
    assert len(quiet.waiting("otp")) == 2


def test_a_task_succeeds_while_the_broker_is_unreachable(quiet: Site) -> None:
    order = quiet.world.order(merge={"who": "nobody"}).model_dump(mode="json", by_alias=True)
    before = quiet.world.rows("SELECT count(*) FROM messages")
    code = f"from workers.tasks import ingest_order; ingest_order.apply(({order!r},)).get()"

    child = quiet.run_python(code, POSTROAD_BROKER_URL="redis://127.0.0.1:1/0")

    assert child.returncode == 0
    assert "the broker is unreachable; sms.segment will be hinted again" in child.stderr
    assert quiet.world.rows("SELECT count(*) FROM messages") == [before[0] + 1]
