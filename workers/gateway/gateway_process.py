"""The HTTP gateway: routes requests to the vendors' APIs, the receipt endpoint and the health check.

/<dialect>/…                             the vendors' APIs; with POSTROAD_GATEWAY_HOSTS also at the root of a host;
                                         each has its documentation at /openapi.json and /docs
/receipts/{carrier}                      receipts and MO messages posted by carriers
/livez                                   200 while this process answers
/readyz, /healthz                        200 while the database answers and takes sends and receipts

It is aiohttp's low-level server without router and middlewares: see docs/decisions/0007-http-server.md.
"""

import asyncio
import contextlib
import logging
import os
import signal
import sys
import time
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

import uvloop
from aiohttp import web

from pipeline.dialects.registry import DIALECTS
from pipeline.errors import ConfigurationError, PostroadError
from pipeline.runtime import Runtime, Work
from pipeline.settings import Settings
from schema.api import ApiRequest, ApiResponse
from schema.value_class import value_class
from schema.vocabulary import Code
from workers import open_files
from workers.api.dispatch import ApiDispatcher
from workers.api.submission import SubmissionService
from workers.gateway.http_parser import MalformedRequest
from workers.gateway.http_server import CONNECTIONS, HttpServer
from workers.gateway.listening import listening, refuse_new
from workers.gateway.receipt_endpoint import ReceiptEndpoint, fault
from workers.gateway.request_body import BodyRejected, RequestBody, is_encoded
from workers.gc_freeze import freeze
from workers.metrics.gateway_metrics import UNKNOWN, GatewayMetrics, serve_gateway_metrics
from workers.processes.child_environment import child_environment
from workers.processes.free_port import require_free
from workers.processes.parent_death_signal import with_parent_death_signal

log = logging.getLogger(__name__)

#: seconds that open requests may take when the gateway stops
_SHUTDOWN = 10.0
#: of them, seconds for which requests of existing connections are still answered
_LEAVING = 2.0
#: open files beside the connections: database, broker, libraries
_OTHER_FILES = 256
#: most hops of X-Forwarded-For that are checked
_HOPS = 20
#: responses to requests that are invalid on any path: status, message, headers
_REFUSALS: dict[Code, tuple[int, str, Mapping[str, str]]] = {
    Code.ENCODING_UNKNOWN: (415, "send the body without Content-Encoding", {"Accept-Encoding": "identity"}),
    Code.MALFORMED: (400, "not a valid HTTP request", {}),
    Code.METHOD_UNKNOWN: (405, "unknown method", {}),
    Code.TARGET_TOO_LONG: (414, "the URL is too long", {}),
    Code.HEADERS_TOO_LARGE: (431, "the headers are too large", {}),
}
#: paths that say how the gateway is; /healthz is /readyz by its old name
_LIVE = "livez"
_HEALTH = (_LIVE, "readyz", "healthz")
#: allowed methods outside the APIs
_METHODS = {"receipts": "POST, GET", **dict.fromkeys(_HEALTH, "GET")}


@value_class
class _Target:
    """What a request target addresses: an API, if any, and the path within it."""

    entry: ApiDispatcher | None
    mount: str
    path: str
    query: str
    #: the first segment of the path and the rest, where it is no API's
    first: str = ""
    rest: str = ""


class Gateway:
    """The gateway's paths, with the services that they share in this process."""

    def __init__(self, rt: Runtime) -> None:
        """Set up the paths; the database is opened by the first request."""
        self._submission = SubmissionService(rt)
        self._receipt_endpoint = ReceiptEndpoint(rt, self._submission.failures)
        self._apis = {name: ApiDispatcher(each) for name, each in DIALECTS.items()}
        self._hosts = _hosts(rt.settings.gateway_hosts, self._apis)
        self.metrics = GatewayMetrics()
        self._proxies = [_network(each) for each in rt.settings.gateway_proxies]

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request."""
        target = self._resolve(request.raw_path, request.headers.get("Host", ""))
        if is_encoded(request):
            return self._refuse(request, target, request.method, Code.ENCODING_UNKNOWN)
        if target.entry:
            return await self._answer(target.entry, request, self._call(request, target, request.method))
        if target.first == "receipts":
            began = time.perf_counter()
            response = await self._receipt_endpoint.post(request, target.rest, self._source(request))
            self._note("receipts", "post", request, began, response)
            return response
        if target.first in _HEALTH:
            return await self._health(request, target)
        return fault(404, "not found; the APIs are under " + ", ".join(f"/{name}" for name in self._apis))

    async def _health(self, request: web.BaseRequest, target: _Target) -> web.Response:
        if request.method not in ("GET", "HEAD"):
            return self._refuse(request, target, request.method, Code.METHOD_UNKNOWN)
        if target.first == _LIVE:
            return web.json_response({"ok": True})
        if self._submission.is_failing:
            return fault(503, "the database is too slow")
        return await self._receipt_endpoint.health()

    def unreadable(self, request: web.BaseRequest, error: MalformedRequest) -> web.Response:
        """Answer invalid HTTP in the error format of the API that it was sent to, as far as that is known."""
        return self._refuse(request, self._resolve(error.target, error.host), error.method, error.refusal)

    def close(self) -> None:
        """Close the shared services."""
        self._receipt_endpoint.close()
        self._submission.close()

    def _resolve(self, target: str, host: str) -> _Target:
        if not target.startswith("/") and "://" in target:  # absolute form (RFC 9112, 3.2.2)
            host, _, target = target.partition("://")[2].partition("/")
            target = f"/{target}"
        path, _, query = target.partition("?")
        if self._hosts and (own := self._hosts.get(host.rpartition("@")[2].partition(":")[0].lower())):
            return _Target(own, "", path, query)
        _, first, rest = (*path.split("/", 2), "", "")[:3]
        if entry := self._apis.get(first):
            return _Target(entry, f"/{first}", f"/{rest}", query)
        return _Target(None, "", path, query, first, rest)

    def _refuse(self, request: web.BaseRequest, target: _Target, method: str, code: Code) -> web.Response:
        """Answer a request that is invalid on any path; close the connection if more of its body may come."""
        status, words, more = _REFUSALS[code]
        if target.entry is None:
            allowed = {"Allow": _METHODS.get(target.first, "GET, POST")} if code is Code.METHOD_UNKNOWN else {}
            response = fault(status, words)
            response.headers.update({**more, **allowed})
        else:
            call = self._call(request, target, method)
            is_method = code is Code.METHOD_UNKNOWN
            reply = target.entry.refuse_method(call) if is_method else target.entry.refuse(call, code, words)
            response = _response(replace(reply, headers={**reply.headers, **more}))
        # a body that is complete needs no closing
        if code is not Code.ENCODING_UNKNOWN or not request.content.is_eof():
            response.force_close()
        return response

    def _call(self, request: web.BaseRequest, target: _Target, method: str) -> ApiRequest:
        rt, source, headers = self._submission.rt, self._source(request), _joined(request)
        return ApiRequest(
            method, target.path, target.query, headers, b"", source, at=rt.now(), id=rt.new_ids(), mount=target.mount
        )

    async def _answer(self, entry: ApiDispatcher, request: web.BaseRequest, call: ApiRequest) -> web.Response:
        began, operation = time.perf_counter(), None
        try:
            operation, reply = await entry.answer(self._submission, call, RequestBody(request))
            response = _response(reply)
        except BodyRejected as error:
            response = _response(entry.refuse(call, error.code, str(error), error.wait), close=True)
        self._note(entry.dialect.name, operation or UNKNOWN, request, began, response)
        return response

    def _note(
        self, dialect: str, operation: str, request: web.BaseRequest, began: float, response: web.Response
    ) -> None:
        """Count a response for metrics."""
        seconds, size = time.perf_counter() - began, response.content_length
        self.metrics.note(dialect, operation, response.status, seconds, request.content_length or 0, size or 0)

    def _source(self, request: web.BaseRequest) -> str:
        """Return the client's address: the last one that is not a trusted proxy."""
        hop = request.remote or ""
        if self._proxies:
            # some proxies add a second header after the client's
            hops = ",".join(request.headers.getall("X-Forwarded-For", ()))
            forwarded = [each.strip() for each in hops.rsplit(",", _HOPS)[-_HOPS:]]
            for each in (hop, *reversed(forwarded)):
                if not self._is_proxy(each):
                    return each or hop
        return hop

    def _is_proxy(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self._proxies)
        except ValueError:
            return False


def serve(settings: Settings, number: int = 1) -> None:
    """Serve until SIGTERM or SIGINT; ConfigurationError when the port is in use.

    With POSTROAD_GATEWAY_PROCESSES above 1 that many processes share the port, numbered from 1; the first starts the
    others.
    """
    if number == 1:
        require_free(settings.gateway_host, settings.gateway_port, "POSTROAD_GATEWAY_PORT")
    uvloop.run(_serve(settings, number))


async def _serve(settings: Settings, number: int) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    gateway = Gateway(Runtime(settings, deadlines=Work.API.value))
    freeze()
    most = open_files.allow(CONNECTIONS + _OTHER_FILES) - _OTHER_FILES
    http_server = HttpServer(gateway.handle, gateway.unreadable, most=max(most, 1))
    runner = web.ServerRunner(http_server, shutdown_timeout=_SHUTDOWN)
    await runner.setup()
    shared = settings.gateway_processes > 1
    site = web.TCPSite(runner, settings.gateway_host, settings.gateway_port, reuse_port=shared or None)
    await site.start()
    log.info("listens on %s port %d", settings.gateway_host or "all addresses", settings.gateway_port)
    metrics = await serve_gateway_metrics(settings, number, gateway.metrics)
    others = range(2, settings.gateway_processes + 1) if number == 1 else ()
    children = [await _other(settings, each) for each in others]
    try:
        await _first(stop.wait(), *(child.wait() for child in children))
        if not stop.is_set():
            raise PostroadError("one of the gateway's processes ended; stopping the others")
    finally:
        for child in children:
            with contextlib.suppress(ProcessLookupError):
                child.terminate()
        # no connection is reset: each is answered here or by the gateway that starts next
        await refuse_new(listening(site))
        await site.stop()
        await http_server.leave(_LEAVING)
        await runner.cleanup()
        await asyncio.gather(*(child.wait() for child in children))
        if metrics:
            await metrics.cleanup()
        gateway.close()


async def _other(settings: Settings, number: int) -> asyncio.subprocess.Process:
    """Start another gateway on the same port; it ends when this one does."""
    argv = with_parent_death_signal([sys.executable, "-m", "workers.cli", "gateway", "--number", str(number)])
    return await asyncio.create_subprocess_exec(*argv, env={**os.environ, **child_environment(settings)})


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(each) for each in waits]
    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()


def _hosts(given: Mapping[str, str], apis: Mapping[str, ApiDispatcher]) -> dict[str, ApiDispatcher]:
    if unknown := sorted(set(given) - set(apis)):
        raise ConfigurationError(f"POSTROAD_GATEWAY_HOSTS: there is no API {unknown[0]!r}, only {', '.join(apis)}")
    return {host.lower(): apis[name] for name, host in given.items()}


def _network(written: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(written, strict=False)
    except ValueError:
        raise ConfigurationError(f"POSTROAD_GATEWAY_PROXIES: {written} is not a network, such as 10.0.0.0/8") from None


def _joined(request: web.BaseRequest) -> Mapping[str, str]:
    headers: dict[str, str] = {}
    for written, value in request.headers.items():
        name = written.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _response(reply: ApiResponse, *, close: bool = False) -> web.Response:
    response = web.Response(status=reply.status, body=reply.body, headers=reply.headers)
    if close:
        response.force_close()
    return response
