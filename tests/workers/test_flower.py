"""Flower as the Procfile starts it: all queues, no ticks, a password for everything, and a bounded memory."""

import base64
import gc
import json
import re
import socket
import tracemalloc
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from celery.events.state import Task
from flower.events import EventsState

from pipeline.store import heartbeat
from tests.forked_processes import ROOT, forked, procfile
from tests.workers.conftest import Eventually, Site
from workers.beat import SCHEDULE
from workers.processes.procfile import path_with_ours, read_procfile
from workers.queues import QUEUES

USER = "ops:4f0c"
#: periodic tasks that run so often that they would hide all others
TICKS = {entry["task"] for entry in SCHEDULE.values() if entry["schedule"] <= 60}


class FlowerProcess:
    """Flower of a site, and its reader."""

    def __init__(self, site: Site) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        own = {"POSTROAD_FLOWER_PORT": str(self.port), "POSTROAD_FLOWER_BASIC_AUTH": USER, "PATH": path_with_ours()}
        environment = site.environment | own
        self.log: Path = site.folder / "flower.log"
        self.process = forked().start(procfile("flower", environment), log=self.log, environment=environment)

    def ask(self, path: str, user: str | None = USER) -> tuple[int, str]:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            words = base64.b64encode((user or "").encode()).decode()
            connection.request("GET", path, headers={"Authorization": f"Basic {words}"} if user else {})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def tasks(self) -> dict[str, str]:
        """Return the states of tasks by name."""
        _, said = self.ask("/api/tasks?limit=10000")
        return {task["name"]: task["state"] for task in json.loads(said).values()}


@pytest.fixture(scope="module")
def flower(site: Site, eventually: Eventually) -> Iterator[FlowerProcess]:
    """Yield Flower for an installation with a connected carrier, whose process does not run."""
    site.world.add_carrier("operator", rank=2)
    site.world.run("UPDATE carriers SET kind = 'smpp' WHERE name = 'operator'")
    started = FlowerProcess(site)
    eventually(lambda: "Connected to" in started.log.read_text() or started.process.poll() is not None)
    assert started.process.poll() is None, started.log.read_text()
    yield started
    started.process.kill()
    started.process.wait(20)


def test_the_broker_page_lists_each_queue_though_no_worker_runs_and_no_message_waits(flower: FlowerProcess) -> None:
    expected = {*(queue.name for queue in QUEUES), "carrier.operator", "codes.operator"}

    _, lengths = flower.ask("/api/queues/length")
    _, page = flower.ask("/broker")

    assert {queue["name"]: queue["messages"] for queue in json.loads(lengths)["active_queues"]} == dict.fromkeys(
        expected, 0
    )
    assert set(re.findall(r"<td>([a-z.]+)</td>", page)) >= expected


def test_the_queues_of_the_installation_are_known_without_a_database(site: Site) -> None:
    code = "from workers.flower_set_up import QueueNames; print(*QueueNames().current())"

    said = site.run_python(code, POSTROAD_DATABASE_URL="postgresql://nobody@127.0.0.1:1/none")

    assert set(said.stdout.split()) == {queue.name for queue in QUEUES}, said.stderr


@pytest.mark.parametrize("user", [None, "ops:guess"])
def test_no_page_with_data_is_shown_without_the_password(flower: FlowerProcess, user: str | None) -> None:
    paths = ("/", "/workers", "/broker", "/tasks", "/metrics", "/api/tasks", "/api/workers", "/api/queues/length")

    assert {path: flower.ask(path, user)[0] for path in paths} == dict.fromkeys(paths, 401)
    assert flower.ask("/metrics")[0] == 200
    assert flower.ask("/healthcheck", user) == (200, "OK")


def test_ticks_of_the_clock_are_not_among_the_tasks(flower: FlowerProcess, site: Site, eventually: Eventually) -> None:
    site.start_worker()
    site.producer.send_task("sms.promote", queue="clock")
    eventually(lambda: heartbeat.last(site.rt.valkey)[1] is not None)

    site.await_sent(site.submit("+2348012345678"))
    eventually(lambda: flower.tasks().get("sms.deliver") == "SUCCESS")

    assert set(flower.tasks()) == {"sms.ingest", "sms.segment", "sms.bill", "sms.deliver"}


@pytest.fixture(scope="module")
def registered(site: Site) -> dict[str, bool]:
    """Return our tasks: name → whether it sends events."""
    said = "{name: task.send_events for name, task in app.tasks.items()}"
    code = f"import json; from workers.tasks import app; print(json.dumps({said}))"
    tasks: dict[str, bool] = json.loads(site.run_python(code).stdout)
    return {name: sends for name, sends in tasks.items() if name.startswith("sms.")}


def test_exactly_the_frequent_periodic_tasks_send_no_events(registered: dict[str, bool]) -> None:
    assert {name for name, sends in registered.items() if not sends} == TICKS
    assert registered["sms.maintenance"]


def test_what_flower_keeps_is_bounded_by_count() -> None:
    options = dict(re.findall(r"--([a-z-]+)=(\d+)", read_procfile()["flower"]))
    assert (options["max-tasks"], options["max-workers"]) == ("10000", "500")
    most = 500
    state = EventsState(max_tasks_in_memory=most, max_workers_in_memory=2)
    run_tasks(state, range(2 * most))

    tracemalloc.start()
    try:
        run_tasks(state, range(2 * most, 4 * most))
        once = tracemalloc.get_traced_memory()[0]
        run_tasks(state, range(4 * most, 12 * most))
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - once
    finally:
        tracemalloc.stop()

    assert len(state.tasks) == most
    assert sum(isinstance(each, Task) for each in gc.get_objects()) <= most + 1
    assert len(state.workers) == 2
    # four thousand tasks more would be megabytes
    assert grown < 500_000


def run_tasks(state: EventsState, numbers: range) -> None:
    """Report tasks as workers do, each of a worker of another name than the one before."""
    for number in numbers:
        about = {"uuid": f"{number:08x}-e609-7d53-b2e9-5856f6d787ac", "clock": number, "utcoffset": 0, "pid": 1}
        about |= {"hostname": f"worker@{number % 2}", "timestamp": 1e9 + number, "local_received": 1e9 + number}
        received = {"name": "sms.deliver", "args": f"([{about['uuid']}])", "kwargs": "{}", "retries": 0}
        state.event(about | {"type": "task-received"} | received)
        state.event(about | {"type": "task-started"})
        state.event(about | {"type": "task-succeeded", "result": "None", "runtime": 0.01})


def test_the_manual_names_each_task_and_each_queue(registered: dict[str, bool]) -> None:
    manual = (ROOT / "docs" / "flower.md").read_text()
    rows = re.findall(r"^\| `([\w.]+)` \|", manual, re.MULTILINE)

    assert set(rows) == registered.keys() | {queue.name for queue in QUEUES} | {"carrier.NAME", "codes.NAME"}
    assert len(rows) == len(set(rows))
