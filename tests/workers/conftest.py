"""Fixtures of the process tests: a database and a broker per module, and product processes on them."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

import pytest
import redis
from kombu import Connection

from pipeline.runtime import Runtime
from pipeline.settings import Settings
from pipeline.stages.admin import operator_reports
from tests.broker import redis_channel
from tests.databases import NewDatabase
from tests.forked_processes import ROOT, ForkedProcess, forked, procfile
from tests.world import World
from workers.lab.embedded import development
from workers.producer import producer, submit
from workers.queues import QUEUES

#: the broker's database numbers: each module takes the next, so that none gets another's messages
_brokers = itertools.cycle(range(1, 16))

_ALL_QUEUES = ",".join(queue.name for queue in QUEUES)


class Site:
    """A world, a broker, and the processes that work on them."""

    #: the log of the worker that a module's fixture started
    log: Path

    def __init__(self, rt: Runtime, broker_url: str, folder: Path) -> None:
        self.rt, self.broker_url, self.folder = rt, broker_url, folder
        self.world = World(rt)
        self.producer = producer(broker_url)
        self._processes: list[ForkedProcess] = []
        #: processes that were sent SIGTERM: a second one makes a worker drop its tasks
        self._reported: list[ForkedProcess] = []

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of processes on this site."""
        ours = {
            "POSTROAD_DATABASE_URL": self.rt.settings.database_url.get_secret_value(),
            "POSTROAD_BROKER_URL": self.broker_url,
            "POSTROAD_HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
        }
        return os.environ | ours

    def start(self, name: str, *arguments: str, ready: str, **environment: str) -> Path:
        """Start `celery -A workers.app …`; return its log once it contains `ready`."""
        log = self.folder / f"{name}.log"
        argv = ["celery", "-q", "-A", "workers.app", *arguments]
        log.write_bytes(b"")
        process = forked().start(argv, log=log, environment=self.environment | environment)
        self._processes.append(process)
        eventually(lambda: ready in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        return log

    def start_line(self, line: str, **environment: str) -> Path:
        """Start a Procfile line ("carriers alpha": with an argument appended); return its log."""
        log = self.folder / f"{line.replace(' ', '-')}.log"
        reported = self.environment | {"POSTROAD_CONCURRENCY": "2"} | environment
        process = forked().start(procfile(line, reported), log=log, environment=reported)
        self._processes.append(process)
        eventually(lambda: " ready." in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        return log

    def start_worker(self, *arguments: str, queues: str = _ALL_QUEUES, **environment: str) -> Path:
        """Start a worker as in the Procfile, with few processes; return its log."""
        options = ["-Q", queues, "--concurrency", "1", "-E", "--without-gossip", "--without-mingle"]
        return self.start("worker", "worker", *options, *arguments, ready=" ready.", **environment)

    def run_python(self, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a Python program in this environment; return the completed process."""
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the processes, the last first, without waiting."""
        for process in reversed(self._processes):
            if process not in self._reported:
                process.send_signal(signal.SIGTERM)
                self._reported.append(process)

    def stop(self) -> None:
        """Stop the processes, the last first."""
        self.ask_to_stop()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait(20)

    @property
    def alive(self) -> bool:
        """Return whether all processes run."""
        return all(process.poll() is None for process in self._processes)

    def submit(self, *numbers: str, **fields: Any) -> UUID:
        """Submit an order as a Python producer does; return its request id."""
        return submit(self.world.order(*numbers, **fields), app=self.producer)

    def publish(self, queue: str, body: Any, content_type: str = "application/json", **headers: Any) -> UUID:
        """Publish a message to a queue as a producer in another language would; return its task id."""
        id_ = uuid4()
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        with self.broker() as connection:
            connection.Producer(serializer=None).publish(
                payload,
                exchange="",
                routing_key=queue,
                content_type=content_type,
                content_encoding="utf-8",
                headers={"id": str(id_)} | headers,
            )
        return id_

    def waiting(self, queue: str) -> list[Any]:
        """Remove all messages of a queue; return their headers and decoded bodies."""
        with self.broker() as connection:
            channel = redis_channel(connection)
            messages = iter(lambda: channel.basic_get(queue, no_ack=True), None)
            return [(message.headers, message.payload) for message in messages]

    def unacknowledged(self) -> int:
        """Return the number of unacknowledged messages."""
        with self.broker() as connection:
            return int(redis_channel(connection).client.hlen("unacked"))

    def broker(self) -> Connection:
        """Return a connection to the broker with the product's key prefix."""
        return Connection(self.broker_url, transport_options={"global_keyprefix": "postroad:"})

    def answer(self, request: UUID) -> operator_reports.RequestResult:
        """Return the result of a request, once there is one."""
        eventually(lambda: operator_reports.report_of(self.rt, request) is not None)
        reported = operator_reports.report_of(self.rt, request)
        assert isinstance(reported, operator_reports.RequestResult)
        return reported

    def statuses(self, request: UUID) -> list[str]:
        """Return the statuses of a request's messages."""
        return [message["status"] for message in self.answer(request).messages]

    def await_sent(self, request: UUID, seconds: float = 30) -> None:
        """Wait until the request has one message, which is sent."""
        eventually(lambda: self.statuses(request) == ["sent"], seconds)


class Eventually(Protocol):
    """Waits until a condition is true."""

    def __call__(self, fact: Callable[[], bool], seconds: float = 30) -> None: ...


def eventually(fact: Callable[[], bool], seconds: float = 30) -> None:
    """Wait until the function returns true; fail after a timeout."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


@pytest.fixture(scope="module", name="eventually")
def _eventually() -> Eventually:
    """Return the function that waits until a condition is true."""
    return eventually


@pytest.fixture(scope="module")
def new_site(
    pair: development.EmbeddedServers, new_database: NewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], Site]]:
    """Yield a function that creates sites without processes."""
    sites: list[Site] = []
    with ExitStack() as stack:

        def make() -> Site:
            folder = tmp_path_factory.mktemp("site")
            broker_url = f"{pair.broker_url.rpartition('/')[0]}/{next(_brokers)}"
            settings = Settings(database_url=new_database(), broker_url=broker_url, home=folder)
            with closing(redis.Redis.from_url(broker_url)) as broker:  # an earlier site may have left messages
                broker.flushdb()
            made = Site(stack.enter_context(closing(Runtime(settings))), broker_url, folder)
            stack.callback(made.producer.close)
            stack.callback(made.stop)
            sites.append(made)
            return made

        yield make
        for each in sites:  # all concurrently: a worker takes seconds to stop
            each.ask_to_stop()


@pytest.fixture(scope="module")
def site(new_site: Callable[[], Site]) -> Site:
    """Return a site for processes."""
    return new_site()


@pytest.fixture(scope="module")
def quiet(new_site: Callable[[], Site]) -> Site:
    """Return a site without processes: what is published stays in the queues."""
    return new_site()
