"""HTTP: the dialects under their prefixes and host names, and where carriers post their receipts.

/solaris, /robase, /telesign, /webex     the four vendors' APIs; by POSTROAD_GATEWAY_HOSTS also at the root of a host;
                                         each tells of itself at /openapi.json and /docs
/receipts/{carrier}                      receipts of carriers
/healthz                                 200 while the database answers, sends too

aiohttp's bare server, without its router and middlewares: why, says docs/decisions/0007-http-server.md.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import uvloop
from aiohttp import web

from pipeline.errors import PostroadError
from pipeline.runtime import Runtime, Work
from pipeline.settings import Settings
from schema.door import Call, Reply
from workers.doors.burden import Burden
from workers.doors.desk import Desk
from workers.doors.entry import Entry
from workers.doors.registry import DOORS
from workers.garbage import spare
from workers.intake import Unread, read
from workers.processes.fleet import environment
from workers.processes.supervisor import require_free
from workers.processes.tether import tethered
from workers.receipts import Letterbox, fault
from workers.reception import Reception

log = logging.getLogger(__name__)

#: seconds that calls under way are given when the gateway stops
_FAREWELL = 10.0


class Gateway:
    """The routes, with what they need of this process."""

    def __init__(self, rt: Runtime) -> None:
        """Make the routes; they open the database when they are called."""
        self._desk = Desk(rt)
        self._letterbox = Letterbox(rt)
        #: the bodies of callers, by where they are: nobody knows yet who they are
        self._intake = Burden()
        self._prefixes = {str(name): entry for name, entry in DOORS.items()}
        self._hosts = {host.lower(): DOORS[name] for name, host in rt.settings.gateway_hosts.items()}
        self._proxies = [ip_network(each) for each in rt.settings.gateway_proxies]

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        if self._hosts and (own := self._hosts.get(request.host.partition(":")[0].lower())):
            return await self._visit(own, request, "", path, query)
        # `*` and a proxy's `http://…` are paths too
        _, first, rest = (*path.split("/", 2), "", "")[:3]
        if entry := self._prefixes.get(first):
            return await self._visit(entry, request, f"/{first}", f"/{rest}", query)
        if first == "receipts":
            with self._intake.load(self._source(request)) as weigh:
                return await self._letterbox.post(request, rest, weigh)
        if first == "healthz":
            if self._desk.is_failing:
                return fault(503, "the database keeps sends waiting")
            return await self._letterbox.health()
        return fault(404, "there is nothing here; the APIs are under " + ", ".join(f"/{name}" for name in DOORS))

    def close(self) -> None:
        """End what runs for it."""
        self._letterbox.close()
        self._desk.close()

    async def _visit(self, entry: Entry, request: web.BaseRequest, mount: str, path: str, query: str) -> web.Response:
        rt, source, headers = self._desk.rt, self._source(request), _joined(request)
        call = Call(request.method, path, query, headers, b"", source, at=rt.now(), id=rt.mint(), mount=mount)
        try:
            # what was read counts until it is answered: its key is not known before
            with self._intake.load(source) as weigh:
                if body := await read(request, entry.manner.largest, weigh):
                    call = replace(call, body=body)
                return _response(await entry.answer(self._desk, call))
        except Unread as error:
            return _response(entry.refuse(call, error.code, str(error), error.wait), close=True)

    def _source(self, request: web.BaseRequest) -> str:
        """Return the address a call came from: the last one that is no proxy of ours."""
        hop = request.remote or ""
        if self._proxies:
            # some proxies add a header of their own behind the caller's
            told = ",".join(request.headers.getall("X-Forwarded-For", ()))
            forwarded = [each.strip() for each in told.split(",")]
            for each in (hop, *reversed(forwarded)):
                if not self._is_proxy(each):
                    return each or hop
        return hop

    def _is_proxy(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self._proxies)
        except ValueError:
            return False


def serve(settings: Settings, *, shares: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; ConfigurationError when the port is taken.

    With POSTROAD_GATEWAY_PROCESSES above 1, so many processes share the port; `shares`: this is one of the others.
    """
    if not shares:
        require_free(settings.gateway_host, settings.gateway_port, "POSTROAD_GATEWAY_PORT")
    uvloop.run(_serve(settings, others=0 if shares else settings.gateway_processes - 1))


async def _serve(settings: Settings, others: int) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    gateway = Gateway(Runtime(settings, deadlines=Work.API.value))
    spare()
    runner = web.ServerRunner(Reception(gateway.handle), shutdown_timeout=_FAREWELL)
    await runner.setup()
    shared = settings.gateway_processes > 1
    await web.TCPSite(runner, settings.gateway_host, settings.gateway_port, reuse_port=shared or None).start()
    children = [await _other(settings) for _ in range(others)]
    try:
        await _first(stop.wait(), *(child.wait() for child in children))
        if not stop.is_set():
            raise PostroadError("one of the gateway's processes ended; the others end with it")
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        await runner.cleanup()
        await asyncio.gather(*(child.wait() for child in children))
        gateway.close()


async def _other(settings: Settings) -> asyncio.subprocess.Process:
    """Start another gateway on the same port; it ends when this one does."""
    argv = tethered([sys.executable, "-m", "workers.cli", "gateway", "--shares"])
    return await asyncio.create_subprocess_exec(*argv, env={**os.environ, **environment(settings)})


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(each) for each in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _joined(request: web.BaseRequest) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for written, value in request.headers.items():
        name = written.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _response(reply: Reply, *, close: bool = False) -> web.Response:
    response = web.Response(status=reply.status, body=reply.body, headers=reply.headers)
    if close:
        response.force_close()
    return response
