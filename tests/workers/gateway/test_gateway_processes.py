"""A gateway of several processes that share one port: start, stop, restart, log."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from pipeline.settings import Settings
from tests.forked_processes import ForkedProcess, forked

TIMEOUT = 60


@pytest.fixture
def environment(settings: Settings, tmp_path: Path) -> dict[str, str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    metrics = next(each for each in range(20_000 + os.getpid() % 8000, 32_000) if are_free(each + 1, each + 2))
    return {
        **os.environ,
        "POSTROAD_DATABASE_URL": settings.database_url.get_secret_value(),
        "POSTROAD_BROKER_URL": settings.broker_url.get_secret_value(),
        "POSTROAD_SECRET_KEY": "a secret of these tests, long enough",
        "POSTROAD_HOME": str(tmp_path),
        "POSTROAD_GATEWAY_PORT": str(port),
        "POSTROAD_GATEWAY_PROCESSES": "2",
        "POSTROAD_METRICS_PORT": str(metrics),
    }


def are_free(*ports: int) -> bool:
    try:
        with ExitStack() as held:
            for port in ports:
                held.enter_context(socket.create_server(("127.0.0.1", port)))
    except OSError:
        return False
    return True


def begin(environment: dict[str, str]) -> ForkedProcess:
    log = Path(environment["POSTROAD_HOME"]) / "gateway.log"
    return forked().start(["postroad", "gateway"], log=log, environment=environment)


@pytest.fixture
def gateway(environment: dict[str, str]) -> Iterator[tuple[ForkedProcess, int]]:
    process, port = begin(environment), int(environment["POSTROAD_GATEWAY_PORT"])
    try:
        soon(lambda: len(sharers(process)) == 1 and answers(port))
        yield process, port
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT)


def soon(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def sharers(process: ForkedProcess) -> list[psutil.Process]:
    """Return those of its children that listen as well."""
    return [each for each in psutil.Process(process.pid).children() if each.net_connections("tcp")]


def sharer(process: ForkedProcess) -> psutil.Process:
    soon(lambda: len(sharers(process)) == 1)
    return sharers(process)[0]


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=10) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_all_gateway_processes_end_on_sigterm(gateway: tuple[ForkedProcess, int]) -> None:
    process, _ = gateway
    other = sharer(process)

    process.terminate()

    assert process.wait(TIMEOUT) == 0
    assert not other.is_running() or other.status() == psutil.STATUS_ZOMBIE


def test_each_gateway_process_serves_its_own_metrics(
    gateway: tuple[ForkedProcess, int], environment: dict[str, str]
) -> None:
    _, port = gateway
    with suppress(HTTPError):
        urlopen(f"http://127.0.0.1:{port}/robase/v1/nowhere", timeout=10)

    texts = []
    for number in (1, 2):
        with urlopen(f"http://127.0.0.1:{int(environment['POSTROAD_METRICS_PORT']) + number}/metrics") as answer:
            texts.append(answer.read().decode())

    counted = 'postroad_gateway_request_seconds_count{dialect="robase",operation="none",status="404"} 1.0'
    assert sum(counted in text for text in texts) == 1
    assert all("# TYPE postroad_gateway_request_bytes histogram" in text for text in texts)


def test_the_gateway_exits_with_1_when_one_of_its_processes_dies(
    gateway: tuple[ForkedProcess, int],
) -> None:
    process, _ = gateway
    other = sharer(process)

    other.kill()

    assert process.wait(TIMEOUT) == 1


def test_the_child_processes_end_when_the_parent_is_killed(gateway: tuple[ForkedProcess, int]) -> None:
    process, port = gateway
    other = sharer(process)

    process.kill()

    soon(lambda: not other.is_running() or other.status() == psutil.STATUS_ZOMBIE)
    soon(lambda: not answers(port))


def test_no_open_connection_is_reset_during_a_restart(
    gateway: tuple[ForkedProcess, int], environment: dict[str, str]
) -> None:
    first, port = gateway
    reported: list[str] = []
    ends = threading.Event()

    def ask() -> None:
        line = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        try:
            line.request("GET", "/nowhere")
            reported.append(str(line.getresponse().status))
        except ConnectionRefusedError:
            reported.append("nobody listens")
            time.sleep(0.02)
        except (OSError, HTTPException) as error:
            reported.append(type(error).__name__)
        finally:
            line.close()

    def caller() -> None:
        while not ends.is_set():
            ask()

    slow = socket.create_connection(("127.0.0.1", port), TIMEOUT)
    callers = [threading.Thread(target=caller) for _ in range(8)]
    for each in callers:
        each.start()
    first.terminate()
    slow.sendall(b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n")
    assert first.wait(TIMEOUT) == 0
    second = begin(environment)
    try:
        soon(lambda: answers(port))
    finally:
        ends.set()
        for each in callers:
            each.join()
        os.killpg(second.pid, signal.SIGKILL)
        second.wait(TIMEOUT)

    assert set(reported) <= {"404", "nobody listens"}, Counter(reported)
    assert slow.makefile("rb").read().startswith(b"HTTP/1.1 404 ")
    slow.close()


@pytest.mark.parametrize(("level", "is_reported"), [("", True), ("info", True), ("WARNING", False)])
def test_gateway_log_lines_begin_with_time_level_and_process(
    environment: dict[str, str], tmp_path: Path, level: str, is_reported: bool
) -> None:
    port, log = int(environment["POSTROAD_GATEWAY_PORT"]), tmp_path / "gateway.log"
    process = begin(environment | {"POSTROAD_GATEWAY_PROCESSES": "1", "POSTROAD_LOG_LEVEL": level})
    try:
        soon(lambda: answers(port))
        line = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        line.request("GET", "/robase/v1/sms", headers={"Authorization": "Bearer rb_live_" + 32 * "k"})
        assert line.getresponse().status == 401
        line.close()
    finally:
        process.terminate()
        assert process.wait(TIMEOUT) == 0

    said = log.read_text()
    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO gateway\[\d+\] workers\.api\.unauthenticated: robase: .*\n"
    assert bool(re.search(form, said)) == is_reported, said
    assert "kkk" not in said


def test_an_invalid_log_level_is_reported(environment: dict[str, str], tmp_path: Path) -> None:
    process = begin(environment | {"POSTROAD_LOG_LEVEL": "loud"})

    assert process.wait(TIMEOUT) == 2
    log = (tmp_path / "gateway.log").read_text()
    assert "POSTROAD_LOG_LEVEL" in log
    assert "Traceback" not in log


def test_celery_log_lines_have_the_same_format(environment: dict[str, str]) -> None:
    code = "from workers.app import app; from celery.signals import celeryd_init; import celery.apps.worker, logging;"
    code += "celeryd_init.send(sender='lane@host', instance=None, conf=app.conf, options={});"
    code += "app.log.setup_logging_subsystem(loglevel=20); logging.getLogger('workers.tasks').warning('so')"

    argv = [sys.executable, "-c", code]
    said = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stderr

    form = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z WARNING lane\[\d+\] workers\.tasks: so"
    assert re.fullmatch(form, said.splitlines()[-1])
