"""`postroad demo` and `postroad up` from the wheel, in an empty folder, and the logs of all their processes."""

import csv
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import psutil
import pytest

from tests.packages import build_once, install
from workers.lab.demo import demo_campaign, demo_keys, demo_sandbox, scenario
from workers.processes.procfile import read_procfile

#: every line of a log at this level
LOUD = {"POSTROAD_LOG_LEVEL": "DEBUG"}


@pytest.fixture(scope="module")
def postroad(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command, installed from the wheel outside the checkout."""
    return install(build_once(shared_folder).wheel, tmp_path_factory.mktemp("package") / "venv") / "postroad"


@pytest.mark.timeout(200)
def test_the_demo_succeeds_within_a_minute_and_leaves_only_logs_without_numbers_texts_and_keys(
    postroad: Path, tmp_path: Path
) -> None:
    began = time.monotonic()

    ours = environment(**LOUD, POSTROAD_LOG_FORMAT="json")
    said = subprocess.run(
        [postroad, "demo"], cwd=tmp_path, env=ours, capture_output=True, text=True, timeout=180, check=False
    )

    assert said.returncode == 0, said.stdout + said.stderr
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))  # the minute is a promise for a machine of one's own
    assert time.monotonic() - began < 60 * crowd
    assert "✗" not in said.stdout
    for words in ("a long message  of 2 parts by alpha", "went alpha → beta", "sent STOP", "audit: nothing lost"):
        assert words in said.stdout
    for words in ("delivered", "failed (undelivered)", "cancelled", "alpha", "beta"):
        assert words in said.stdout
    assert {each.relative_to(tmp_path).parts[0] for each in tmp_path.rglob("*")} == {".postroad"}
    assert {each.suffix for each in tmp_path.rglob("*") if each.is_file()} == {".log"}
    assert not processes_of(re.search(r"Flower: http://127.0.0.1:(\d+)", said.stdout)[1])  # type: ignore[index]
    logs = {each.stem: each.read_text() for each in (tmp_path / ".postroad/logs/demo").iterdir()}
    assert set(logs) == {"simulator", *read_procfile()}
    for name, log in logs.items():
        lines = [
            json.loads(line) for line in log.splitlines() if "SMSC on" not in line and "listens on http" not in line
        ]
        assert {line["process"] for line in lines} == {name}
        assert all({"time", "level", "pid", "logger", "message"} <= set(line) for line in lines)
        assert secrets_in(log) == []


@pytest.mark.timeout(400)
def test_postroad_up_sends_a_message_recovers_from_a_kill_and_stops_on_sigint(postroad: Path, tmp_path: Path) -> None:
    ours = environment(**dict(zip(PORTS, free_ports(len(PORTS)), strict=True)), POSTROAD_HOME=str(tmp_path / "home"))
    ours |= LOUD

    with up(postroad, tmp_path, ours) as (process, said):
        words = ("--to", "+2348031234567", "--text", "Your ride arrives at 9.", "--wait", "--json")
        sent = type_in(postroad, "send", *words, ours=ours)
        message = json.loads(sent.stdout)["messages"][0]["id"]
        waiting(lambda: story(postroad, message, ours)["message"]["status"] == "delivered")
        second = type_in(postroad, "up", ours=ours)
        assert_flower_wants_a_password(ours)
        assert_the_console_signs_in_by_a_link(postroad, ours)
        process.kill()

    assert (second.returncode, second.stdout) == (1, "")
    assert "runs the servers of" in second.stderr
    waiting(lambda: not processes_of(ours["POSTROAD_HOME"]))

    with up(postroad, tmp_path, ours) as (process, said):
        waiting(lambda: type_in(postroad, "status", ours=ours).returncode == 0)
        assert story(postroad, message, ours)["message"]["status"] == "delivered"
        assert type_in(postroad, "audit", ours=ours).returncode == 0
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0

    assert "postroad  | stopping" in said()
    assert_logged_alike(said(), tmp_path / "home")
    assert not processes_of(ours["POSTROAD_HOME"])
    assert type_in(postroad, "status", ours=ours).returncode == 2


PORTS = (
    "POSTROAD_GATEWAY_PORT",
    "POSTROAD_CONSOLE_PORT",
    "POSTROAD_FLOWER_PORT",
    "POSTROAD_SIMULATOR_PORT",
    "POSTROAD_SIMULATOR_SMPP_PORT",
)


def environment(**ours: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("POSTROAD_", "DATABASE_", "BROKER_", "PYTHON"))
    }
    # an environment that was not activated: the package has to find its own programs
    others = [each for each in os.get_exec_path() if Path(each) != Path(sys.executable).parent]
    return {**kept, "PATH": os.pathsep.join(others), **ours}


def free_ports(count: int) -> list[str]:
    with ExitStack() as held:
        found = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [str(each.getsockname()[1]) for each in found]


@contextmanager
def up(
    postroad: Path, folder: Path, ours: dict[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", Callable[[], str]]]:
    """Run `postroad up` until the end of the `with`; yields its process, and how to read what it said."""
    log = folder / "up.log"
    with log.open("wb") as output:
        process = subprocess.Popen([postroad, "up"], cwd=folder, env=ours, stdout=output, stderr=subprocess.STDOUT)
    try:
        waiting(lambda: "Postroad is up." in log.read_text() or process.poll() is not None, 120)
        assert process.poll() is None, log.read_text()
        yield process, log.read_text
    finally:
        process.terminate()
        process.wait(60)


def type_in(postroad: Path, *arguments: str, ours: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    argv, elsewhere = [str(postroad), *arguments], postroad.parent
    return subprocess.run(argv, cwd=elsewhere, env=ours, capture_output=True, text=True, timeout=60, check=False)


def story(postroad: Path, message: str, ours: dict[str, str]) -> Any:
    return json.loads(type_in(postroad, "show", message, "--json", ours=ours).stdout)


def assert_flower_wants_a_password(ours: dict[str, str]) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(f"http://127.0.0.1:{ours['POSTROAD_FLOWER_PORT']}/workers", timeout=10)
    assert refused.value.code == 401
    refused.value.close()


def secrets_in(log: str) -> list[str]:
    """Return what is in a log and must not be: numbers and texts of the demo, API keys, passwords in URLs."""
    with demo_campaign.FILE.open() as file:
        rows = list(csv.DictReader(file))
    numbers = [demo_sandbox.GOOD_NUMBER, demo_sandbox.REFUSED_NUMBER, scenario.STOPPING, *(row["to"] for row in rows)]
    texts = [scenario.LONG, "Your ride arrives", "Your table is ready", *(row["news"] for row in rows)]
    texts = [each for each in [*texts, *(re.sub(r"\D", "", number) for number in numbers)] if len(each) > 10]
    return [text for text in texts if text in log] + re.findall(r"\d{13}|\b(?:rb|pr)_(?:live|test)_|:[^*/@\s]+@\d", log)


def assert_logged_alike(said: str, home: Path) -> None:
    """Assert that each process logs in the same form, and no secret of the installation."""
    lines = re.findall(r"^(\w+) +\| (.*)$", said, re.MULTILINE)
    ours = {"simulator", *read_procfile()}
    assert {name for name, _ in lines} == {"postroad", *ours}
    for name in ours:
        own = "".join(f"{line}\n" for each, line in lines if each == name)
        own = re.sub(r"^.* (?:SMSC on|listens on http).*\n", "", own, flags=re.MULTILINE)
        own = re.sub(r"^Traceback .*?(?=^\S+Z |\Z)", "", own, flags=re.MULTILINE | re.DOTALL)
        assert re.fullmatch(rf"(\S+Z [A-Z]+ {name}\[\d+\] [\w.]+: .*\n)+", own), own
    log = "\n".join(line for _, line in lines)
    assert secrets_in(log) == []
    kept = [
        str(value) for name in ("kept.json", demo_keys.FILE) for value in flat(json.loads((home / name).read_text()))
    ]
    assert len(kept) > 8
    assert [value for value in kept if len(value) > 8 and value in log] == []


def flat(content: Any) -> Iterator[Any]:
    for each in content.values() if isinstance(content, dict) else [content]:
        yield from flat(each) if isinstance(each, dict) else [each]


def assert_the_console_signs_in_by_a_link(postroad: Path, ours: dict[str, str]) -> None:
    link = type_in(postroad, "user", "link", "admin", ours=ours).stdout.split()
    [url] = [word for word in link if word.startswith("http")]
    assert f":{ours['POSTROAD_CONSOLE_PORT']}/link?token=" in url
    with urlopen(url, timeout=10) as page:  # noqa: S310 - ours
        assert "This link signs you in once." in page.read().decode()


def processes_of(mark: str) -> list[str]:
    """Return the processes that have the mark in their command line or their environment's POSTROAD_ names."""
    found = []
    for process in psutil.process_iter():
        try:
            command = process.cmdline()
            reported = [*command, *(v for k, v in process.environ().items() if k.startswith("POSTROAD_"))]
        except psutil.Error:
            continue
        if process.pid != os.getpid() and any(mark in each for each in reported):
            found.append(" ".join(command))
    return found


def waiting(fact: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)
