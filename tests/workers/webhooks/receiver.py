"""A customer's webhook server for tests: it stores the calls and responds as configured."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

#: returns the response to a call
Answer = Callable[[web.Request], web.StreamResponse | Awaitable[web.StreamResponse]]


@dataclass
class Accepted:
    """One received call."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """An HTTP server on a port of 127.0.0.1, in its own thread."""

    accepted: list[Accepted] = field(default_factory=list)
    #: path → its response; 200 for others
    answers: dict[str, Answer] = field(default_factory=dict)
    port: int = 0
    #: calls in progress, and the most there were
    open: int = 0
    most: int = 0

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        """Return the URL of a path."""
        return f"http://{host}:{self.port}{path}"

    def start(self) -> None:
        """Start the server."""
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)

    def stop(self) -> None:
        """Stop the server."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(10)

    def _serve(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen(ready))
        self._loop.close()

    async def _listen(self, ready: threading.Event) -> None:
        self._stopped = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._enable_events)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        ready.set()
        await self._stopped.wait()
        await runner.cleanup()

    async def _enable_events(self, request: web.Request) -> web.StreamResponse:
        self.accepted.append(Accepted(request.path, dict(request.headers), await request.read()))
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            answer = self.answers[request.path](request) if request.path in self.answers else web.Response()
            return answer if isinstance(answer, web.StreamResponse) else await answer
        finally:
            self.open -= 1


async def hang(_request: web.Request) -> web.StreamResponse:
    """Never respond."""
    await asyncio.sleep(3600)
    return web.Response()


def until(released: threading.Event) -> Answer:
    """Return a response function that responds 200 once the event is set."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(released.wait, 3600)
        return web.Response()

    return answer


async def echo(request: web.Request) -> web.StreamResponse:
    """Respond 200 with the request's body."""
    return web.Response(body=await request.read())


async def flood(request: web.Request) -> web.StreamResponse:
    """Respond 200 with an endless body."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x" * 65536)


async def drip(request: web.Request) -> web.StreamResponse:
    """Respond 200 with a body sent one byte at a time."""
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"x")
        await asyncio.sleep(0.2)


def status(code: int, **headers: str) -> Answer:
    """Return a response function with a status."""
    return lambda _request: web.Response(status=code, headers=headers)
