"""Fixtures of the API tests: a real gateway process on its own port, called over HTTP."""

import asyncio
import http.client
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from aiohttp import web
from pydantic import SecretStr

from pipeline.database import Deadlines, Work
from pipeline.runtime import Runtime
from pipeline.settings import Settings
from tests.dialects.vendors import issue
from tests.world import World
from workers.gateway.gateway_process import Gateway
from workers.gateway.http_server import HttpServer
from workers.lab.embedded import development


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP response."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """Return the body, parsed as JSON."""
        return json.loads(self.body)


class RunningGateway:
    """A running gateway and the credentials made for it."""

    def __init__(self, rt: Runtime, deadlines: Deadlines = Work.API.value) -> None:
        self.rt, self._deadlines = rt, deadlines
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._up.wait(20)

    @property
    def url(self) -> str:
        """Return its base URL, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Send one request and return the response; a body that is neither bytes nor text is sent as JSON."""
        reported = dict(headers or {})
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
            reported.setdefault("Content-Type", "application/json")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body.encode() if isinstance(body, str) else body, reported)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): word for name, word in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def key(self, dialect: str, **properties: Any) -> Mapping[str, str]:
        """Create a key of the account `acme`; return its credentials."""
        return issue(self.rt, "acme", dialect, **properties).credentials

    def close(self) -> None:
        """Stop the gateway."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def _serve(self) -> None:
        # calls in progress are cancelled, as when the real gateway ends
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        self._stop = asyncio.Event()
        self.gateway = gateway = Gateway(Runtime(self.rt.settings, deadlines=self._deadlines))
        runner = web.ServerRunner(HttpServer(gateway.handle, gateway.unreadable))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._up.set()
        await self._stop.wait()
        await runner.cleanup()
        gateway.close()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Return settings with a secret key; the broker URL is the test run's, so that hints do no harm."""
    return settings.model_copy(update={"secret_key": SecretStr("a secret of these tests, long enough")})


@pytest.fixture
def running_gateway(world: World, pair: development.EmbeddedServers) -> Iterator[RunningGateway]:
    """Yield a gateway on the test's database; `world.rt` is a second runtime on the same."""
    forget_limits(pair)
    house = RunningGateway(world.rt)
    yield house
    house.close()


def forget_limits(pair: development.EmbeddedServers) -> None:
    """Delete the rate limits that keys of the same ids used up in earlier tests."""
    with redis.Redis.from_url(pair.broker_url) as valkey:
        if spent := list(valkey.scan_iter("postroad:limit:*")):
            valkey.delete(*spent)
