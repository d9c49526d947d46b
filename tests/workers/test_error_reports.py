"""What a process reports to Sentry, to a server that speaks its protocol; and that it reports nothing unasked."""

import gzip
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from tests.forked_processes import ROOT

SECRET = "+2348012345678"
#: a process of ours that logs an error of ours, an exception with data in it and a library's line with arguments
PROCESS = f"""
import logging, sys
from workers import logs
from pipeline.errors import DatabaseFault

logs.set_up("worker")
own = logging.getLogger("workers.tasks")
try:
    text = "code for {SECRET}"
    raise ValueError(text)
except ValueError:
    own.exception("batch %(batch)s cannot be billed", {{"batch": "b-1"}})
try:
    raise DatabaseFault("database: UniqueViolation 23505")
except DatabaseFault:
    own.exception("it failed")
logging.getLogger("celery.app.trace").error("Task raised on %r", ["{SECRET}"])
# as asyncio logs what nobody awaited
logging.getLogger("asyncio").error("Task exception was never retrieved\\nfuture: ValueError('{SECRET}')")
own.warning("this is no error")
if "sentry_sdk" in sys.modules:
    import sentry_sdk
    sentry_sdk.flush(20)
print("sentry_sdk" in sys.modules)
"""


@contextmanager
def sentry() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the DSN of a server, and the events that it was sent, whole."""
    events: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            lines = (gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body).splitlines()
            events.extend(each for line in lines if "logger" in (each := json.loads(line)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://key@127.0.0.1:{server.server_port}/1", events
        server.shutdown()
        thread.join()


def run(dsn: str | None, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    own = environment | ({"POSTROAD_SENTRY_DSN": dsn} if dsn is not None else {})
    command = [sys.executable, "-c", PROCESS]
    return subprocess.run(command, env=own, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)


@pytest.fixture
def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("POSTROAD_", "SENTRY_"))}


def test_errors_are_reported_with_their_places_and_without_any_data(environment: dict[str, str]) -> None:
    with sentry() as (dsn, events):
        ended = run(dsn, environment)

    assert (ended.returncode, ended.stdout) == (0, "True\n"), ended.stderr
    assert SECRET not in json.dumps(events)
    billed, failed, celery, asyncio = sorted(events, key=lambda each: each["timestamp"])
    assert billed["logentry"] == {"message": "batch b-1 cannot be billed"}
    [raised] = billed["exception"]["values"]
    assert (raised["type"], raised.get("value")) == ("ValueError", None)
    assert raised["stacktrace"]["frames"][-1]["lineno"] == 10
    assert failed["exception"]["values"][0]["value"] == "database: UniqueViolation 23505"
    assert celery["logentry"] == {"message": "Task raised on %r"}
    assert asyncio["logentry"] == {"message": "Task exception was never retrieved"}
    for event in events:
        assert event["tags"] == {"process": "worker"}
        assert event["release"].startswith("postroad@")
        assert event.keys().isdisjoint({"request", "extra", "breadcrumbs", "contexts", "user", "modules"})
        for frame in [f for e in event.get("exception", {"values": []})["values"] for f in e["stacktrace"]["frames"]]:
            assert frame.keys().isdisjoint({"vars", "context_line", "pre_context", "post_context"})


def test_without_the_setting_the_library_is_not_even_imported(environment: dict[str, str]) -> None:
    assert run(None, environment).stdout == "False\n"


def test_a_dsn_that_is_none_is_a_clear_error(environment: dict[str, str]) -> None:
    ended = run("sentry.example.org", environment)

    assert ended.returncode == 1
    assert "POSTROAD_SENTRY_DSN is not a DSN: copy it from the project's settings in Sentry" in ended.stderr
