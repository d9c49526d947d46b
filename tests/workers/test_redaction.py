"""Recipients' numbers and texts do not appear in events, in Flower, in `inspect`, nor in a log.

One worker and Flower run while orders of every form are processed; then all that they show is searched.
"""

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from celery import Celery
from hypothesis import given
from hypothesis import strategies as st
from redis.client import PubSub
from sqlalchemy import make_url

from schema.message_class import MessageClass
from tests.broker import redis_channel
from tests.workers.conftest import Eventually, Site
from workers.redaction import redact

#: Flower's, and its password
USER = "ops:4f0c"
PHONE = "2348012340987"
SECRETS = {"phone": PHONE, "body": "leaves at noon", "merge value": "Adaeze", "code": "471108"}
ORDER = {
    "account": "acme",
    "sender": "ACME",
    "body": "${name}, your code is 471108; it leaves at noon",
    "merge": {"name": "Adaeze"},
    "recipients": [{"to": f"+{PHONE}", "merge": {"name": "Adaeze"}}],
}
INGEST = {"task": "sms.ingest", "lang": "py", "argsrepr": repr(ORDER), "kwargsrepr": repr(ORDER)}

#: messages that our workers take, refuse or cannot read: queue, body, headers
SHOWN: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "an order with its words in the headers": ("ingest", [[ORDER], {}, {}], INGEST),
    "an order by name": ("ingest", [[], {"order": ORDER}, {}], INGEST),
    "an order of the oldest protocol": ("ingest", {"args": [ORDER], "kwargs": {}}, INGEST),
    "an order that goes by another name": ("ingest", [[ORDER], {}, {}], INGEST | {"shadow": f"sms.deliver {PHONE}"}),
    "an order that is refused": ("ingest", [[ORDER | {"body": ORDER, "send_at": "at noon"}], {}, {}], INGEST),
    "two orders": ("ingest", [[ORDER, ORDER], {}, {}], INGEST),
    "the order itself for a body": ("ingest", ORDER, INGEST),
    "an order for another task": ("deliver", [[ORDER, [ORDER]], {}, {}], INGEST | {"task": "sms.deliver"}),
    "an order to bill": ("bill", [[ORDER, [1]], {"order": ORDER}, {}], INGEST | {"task": "sms.bill"}),
    "an order to segment": ("segment", [[json.dumps(ORDER), "bulk"], {}, {}], INGEST | {"task": "sms.segment"}),
    "an order for a task we do not have": ("ingest", [[ORDER], {}, {}], INGEST | {"task": "sms.send"}),
    "an order without a task": ("ingest", [[ORDER], {}, {}], {"lang": "py", "argsrepr": repr(ORDER)}),
    "an order that expires at noon": ("ingest", [[ORDER], {}, {}], INGEST | {"expires": ORDER}),
    "an order that is due at noon": ("ingest", [[ORDER], {}, {}], INGEST | {"eta": json.dumps(ORDER)}),
    "an order cut off": ("ingest", json.dumps(ORDER).encode()[:-5], INGEST),
    "an order in pickle": ("ingest", repr(ORDER).encode(), INGEST | {"content_type": "application/x-python-serialize"}),
}


@dataclass
class Seen:
    """All that could be seen, by where."""

    texts: dict[str, str] = field(default_factory=dict)
    tasks: dict[str, Any] = field(default_factory=dict)
    queues: set[str] = field(default_factory=set)
    #: whether orders were caught at work and in wait
    active: int = 0
    reserved: int = 0
    #: the worker's log
    lines: list[dict[str, Any]] = field(default_factory=list)
    request: UUID | None = None
    refused: int = 200
    #: what Flower says to who would start a task there
    applied: int = 200


@pytest.fixture(scope="module")
def seen(site: Site, eventually: Eventually) -> Seen:
    """Let orders go through while everybody looks on."""
    found = Seen()
    flower = Flower(site)
    log = site.start_worker("--prefetch-multiplier", "8", POSTROAD_LOG_LEVEL="DEBUG", POSTROAD_LOG_FORMAT="json")
    flower.start()
    foreign = Celery("foreign", broker=site.broker_url, set_as_current=False)
    foreign.conf.broker_transport_options = {"global_keyprefix": "postroad:"}

    with site.broker() as connection, redis_channel(connection).client.pubsub() as events, foreign:
        events.psubscribe("*")
        with held(site, "requests"):
            for message_class in MessageClass:
                site.submit(f"+{PHONE}", **{"class": message_class}, body=ORDER["body"], merge=ORDER["merge"])
            foreign.send_task("sms.ingest", (ORDER,), queue="ingest")
            foreign.send_task("sms.ingest", kwargs={"order": ORDER}, queue="ingest")
            inspect = foreign.control.inspect(timeout=10, limit=1)
            eventually(lambda: (_orders(inspect.active()), _orders(inspect.reserved())) == (1, len(MessageClass) + 1))
            for look in ("active", "reserved", "scheduled", "stats", "conf", "query_task"):
                found.texts[f"inspect {look}"] = str(getattr(inspect, look)())
            found.active = _orders(found.texts["inspect active"])
            found.reserved = _orders(found.texts["inspect reserved"])
            found.texts["Flower meanwhile"] = flower.get("/api/workers?refresh=1")
        for queue, body, headers in SHOWN.values():
            site.publish(queue, body, **headers)
        fail(site)
        found.request = site.submit(f"+{PHONE}", body=ORDER["body"], merge=ORDER["merge"])
        site.await_sent(found.request)
        eventually(lambda: flower.tasks().get(str(found.request), {}).get("state") == "SUCCESS")
        eventually(lambda: any(task.get("state") == "FAILURE" for task in flower.tasks().values()))
        found.texts["events"] = "\n".join(_reported(events))

    found.tasks = flower.tasks()
    found.texts |= flower.pages(found.tasks)
    [worker] = json.loads(flower.get("/api/workers")).values()
    found.queues = {queue["name"] for queue in worker["active_queues"]}
    found.refused, _ = flower.ask("/api/tasks", "ops:guess")
    found.applied, _ = flower.ask("/api/task/async-apply/sms.ingest", USER, json.dumps({"args": [ORDER]}))
    found.texts["worker's log"] = log.read_text()
    found.texts["Flower's log"] = flower.log.read_text()
    found.lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert site.alive
    return found


@contextmanager
def held(site: Site, table: str) -> Iterator[None]:
    """Hold a table so that whoever writes to it waits."""
    with site.rt.begin() as conn:
        conn.exec_driver_sql(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


def fail(site: Site) -> None:
    """Have a task of ours end in an exception: the database says no, and quotes whom it says it of."""
    site.world.run(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'not %%', new.phone; END $$"
    )
    site.world.run(
        "CREATE TRIGGER refuse BEFORE UPDATE ON messages FOR EACH ROW WHEN (new.phone LIKE '+4179%%')"
        " EXECUTE FUNCTION refuse()"
    )
    site.submit("+41791112233", body=ORDER["body"], merge=ORDER["merge"])


def _orders(answer: object) -> int:
    """Return how many orders a worker's answer to `inspect` shows."""
    return str(answer).count("'name': 'sms.ingest'")


def _reported(events: PubSub) -> list[str]:
    """Return what was published: Celery's events, and the answers to `inspect`."""
    reported = []
    while message := events.get_message(timeout=1):
        if message["type"] == "pmessage" and b"celeryev" in message["channel"]:
            envelope = json.loads(message["data"])
            reported.append(f"{envelope['headers']} {base64.b64decode(envelope['body']).decode()}")
    return reported


class Flower:
    """Flower as the Procfile starts it, and its reader."""

    def __init__(self, site: Site) -> None:
        self.site, self.log = site, Path()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def start(self) -> None:
        options = ["--address=127.0.0.1", f"--port={self.port}", "--read-only"]
        self.log = self.site.start("flower", "flower", *options, ready="Connected to", FLOWER_BASIC_AUTH=USER)

    def ask(self, path: str, user: str, body: str | None = None) -> tuple[int, str]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            words = base64.b64encode(user.encode()).decode()
            connection.request("POST" if body else "GET", path, body, {"Authorization": f"Basic {words}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def get(self, path: str) -> str:
        status, text = self.ask(path, USER)
        assert status == 200, path
        return text

    def tasks(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("/api/tasks?limit=1000"))
        return found

    def pages(self, tasks: dict[str, Any]) -> dict[str, str]:
        """Return every page that shows a task or a worker."""
        [worker] = json.loads(self.get("/api/workers"))
        columns = "".join(f"&columns[{n}][data]={name}" for n, name in enumerate(("name", "args", "kwargs")))
        paths = ["/", "/workers", f"/worker/{worker}", "/tasks", "/broker", "/metrics", "/api/workers", "/api/tasks"]
        paths += [
            f"/tasks/datatable?draw=1&start=0&length=1000&search[value]=&order[0][column]=0&order[0][dir]=asc{columns}"
        ]
        paths += ["/api/queues/length", *(f"/{place}/{task}" for task in tasks for place in ("task", "api/task/info"))]
        return {f"Flower {path}": self.get(path) for path in paths}


@pytest.mark.parametrize("secret", SECRETS)
def test_recipients_numbers_and_texts_appear_in_no_event_page_or_log(seen: Seen, secret: str) -> None:
    assert [place for place, text in seen.texts.items() if SECRETS[secret] in text] == []


def test_passwords_of_the_servers_appear_in_no_event_page_or_log(seen: Seen, site: Site) -> None:
    passwords = {make_url(site.broker_url).password, make_url(site.environment["POSTROAD_DATABASE_URL"]).password}

    assert None not in passwords
    assert [place for place, text in seen.texts.items() if any(str(word) in text for word in passwords)] == []


def test_the_searched_events_pages_and_logs_do_show_the_tasks(seen: Seen) -> None:
    assert seen.active == 1
    assert seen.reserved == len(MessageClass) + 1
    assert seen.texts["events"].count("task-received") > 10
    assert "task-failed" in seen.texts["events"]
    assert seen.texts["worker's log"].count("was rejected") >= 10
    assert seen.texts["worker's log"].count("raised unexpected") >= 1
    assert any("datatable" in place and "sms.ingest" in text for place, text in seen.texts.items())


def test_the_line_of_a_task_that_failed_has_its_name_its_id_and_its_batch_as_fields(seen: Seen, site: Site) -> None:
    [line] = [line for line in seen.lines if "raised unexpected" in line["message"]]

    assert (line["level"], line["process"], line["task"]) == ("ERROR", "celery", "sms.bill")
    assert seen.tasks[line["task_id"]]["state"] == "FAILURE"
    assert site.world.rows("SELECT phone FROM messages WHERE batch_id = %(id)s", id=line["batch"])
    assert "Traceback" in line["traceback"]


def test_flower_shows_task_names_and_ids(seen: Seen) -> None:
    assert {task["name"] for task in seen.tasks.values()} >= {"sms.ingest", "sms.segment", "sms.bill", "sms.deliver"}

    ingest = seen.tasks[str(seen.request)]
    assert (ingest["name"], ingest["state"], ingest["args"]) == ("sms.ingest", "SUCCESS", "(<an order>)")
    delivered = [task for task in seen.tasks.values() if task["name"] == "sms.deliver" and task["state"] == "SUCCESS"]
    assert all(UUID(task["args"].strip("()[]")) for task in delivered)


def test_flower_shows_the_queues(seen: Seen) -> None:
    assert seen.queues == {"ingest", "segment", "bill", "deliver", "campaign", "otp", "clock", "maintenance"}


def test_flower_answers_401_without_the_password(seen: Seen) -> None:
    assert seen.refused == 401


def test_flower_refuses_to_start_a_task(seen: Seen) -> None:
    assert seen.applied == 403


# What is shown -------------------------------------------------------------------------------------------------

BATCH = "01a20061-e609-7d53-b2e9-5856f6d787ac"


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "shown"),
    [
        pytest.param("sms.ingest", (ORDER,), {}, ("(<an order>)", "{}"), id="an order"),
        pytest.param("sms.ingest", (), {"order": ORDER}, ("(<an order>)", "{}"), id="an order by name"),
        pytest.param("sms.segment", (BATCH, "otp"), {}, (f"({BATCH}, otp)", "{}"), id="a batch and its class"),
        pytest.param("sms.bill", (BATCH, [1, -2, 3]), {}, (f"({BATCH}, <3 items>)", "{}"), id="measures"),
        pytest.param("sms.deliver", ([BATCH],), {}, (f"([{BATCH}])", "{}"), id="one batch"),
        pytest.param("sms.deliver", ([BATCH] * 9,), {}, ("(<9 items>)", "{}"), id="many batches"),
        pytest.param("sms.promote", (), {}, ("()", "{}"), id="nothing"),
        pytest.param("sms.promote", None, None, ("(…)", "{}"), id="none"),
        pytest.param("sms.bill", (f"{BATCH}\n", 7), {"a": 1}, ("(…, …)", "{…}"), id="what is no id"),
        pytest.param("other", ("+2348012345678",), {}, ("(…)", "{}"), id="a stranger's task"),
    ],
)
def test_redacted_task_arguments_contain_only_ids_and_counts(
    name: str, args: Any, kwargs: Any, shown: tuple[str, str]
) -> None:
    assert redact(name, args, kwargs) == shown


anything = st.recursive(
    st.sampled_from([f"+{PHONE}", PHONE, 2348012340987, f"{BATCH}{PHONE}", {"to": PHONE}]),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.just(PHONE), inner)),
)


@given(st.sampled_from(["sms.ingest", "sms.bill", "sms.deliver", "sms.maintenance", "x"]), anything, anything)
def test_redacted_task_arguments_never_contain_a_phone_number(name: str, args: Any, kwargs: Any) -> None:
    assert PHONE not in str(redact(name, args, kwargs))
