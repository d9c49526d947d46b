"""Runs the real simulator in a thread of the test process."""

import asyncio
import json
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import Any

from pipeline.carriers.http1 import new_event_loop
from workers.lab.simulator.simulator_server import serve


@contextmanager
def simulator(log: Path | None = None, **scripts: dict[str, Any]) -> Iterator[str]:
    """Run a simulator of these carriers; yield its URL."""
    with both(log, None, **scripts) as (url, _):
        yield url


@contextmanager
def both(
    log: Path | None = None, tls: ssl.SSLContext | None = None, **scripts: dict[str, Any]
) -> Iterator[tuple[str, int]]:
    """Run a simulator of these carriers; yield its URL and its SMPP port (optionally with TLS)."""
    reported: Queue[tuple[asyncio.AbstractEventLoop, asyncio.Event, tuple[int, int]]] = Queue()

    async def run() -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        await serve(scripts, stop, port=0, log=log, tls=tls, ready=lambda *ports: reported.put((loop, stop, ports)))

    def thread() -> None:
        with asyncio.Runner(loop_factory=new_event_loop) as runner:
            runner.run(run())

    running = Thread(target=thread, name="simulator")
    running.start()
    loop, stop, (port, smpp_port) = reported.get(timeout=10)
    try:
        yield f"http://127.0.0.1:{port}", smpp_port
    finally:
        loop.call_soon_threadsafe(stop.set)
        running.join(10)


def ask(url: str, method: str = "GET", body: Any = None) -> Any:
    """Send a request to the simulator; return its JSON."""
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=5) as answer:  # noqa: S310
        return json.load(answer)


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of the simulator's log."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
