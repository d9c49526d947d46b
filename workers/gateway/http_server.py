"""The HTTP server's connections: limits, timeouts, and API-formatted answers to invalid HTTP, after which it closes."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.streams import StreamReader

from schema.vocabulary import Code
from workers.api.dispatch import frames
from workers.api.unauthenticated import origin_of
from workers.gateway.connection_limit import ConnectionLimit
from workers.gateway.http_parser import BUFFER, MalformedRequest, RequestParser
from workers.gateway.receipt_endpoint import fault

log = logging.getLogger(__name__)

#: seconds a connection may idle, or take to send its head; proxies close after 60 by default
_IDLE = 75.0
#: connections of one process at a time; an idle one takes about 20 KB
CONNECTIONS = 10_000
#: seconds for which a connection is kept open after a refusal, so that the client can read the response
_LINGERING = 2.0
#: bytes of a refused body that are discarded, so that a client that sends everything before it reads gets the response;
#: and of one refused for its Content-Encoding
REMAINDER, REMAINDER_CODED = 16 * 1024 * 1024, 1024 * 1024
#: seconds for which a response waits for a client that does not read
_STALLED = 30.0
#: seconds for which a stopping server waits for the first request of a new connection
_NEW = 1.0
#: seconds between two checks for open requests
_POLL = 0.02

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
#: returns the response to invalid HTTP; the request has nothing but its address
Refuser = Callable[[web.BaseRequest, MalformedRequest], web.Response]


def _refuse(_request: web.BaseRequest, _error: MalformedRequest) -> web.Response:
    return fault(400, "not a valid HTTP request")


class HttpServer(web.Server):
    """aiohttp's low-level server without its error texts, which quote headers and so may show keys."""

    def __init__(
        self, handler: Handler, refuse: Refuser = _refuse, *, idle: float = _IDLE, most: int = CONNECTIONS
    ) -> None:
        """Take the handler of requests, and the one of invalid HTTP.

        `idle`: seconds until an idle connection is closed; `most`: connections at a time.
        """
        super().__init__(handler)
        self._idle = idle
        self.limit: ConnectionLimit[_HttpConnection] = ConnectionLimit(most)
        self.refuse = refuse
        #: whether each response closes its connection
        self.is_stopping = False

    def __call__(self) -> web.RequestHandler:
        """Return the protocol of a new connection."""
        return _HttpConnection(self, asyncio.get_running_loop(), self._idle)

    async def leave(self, seconds: float) -> None:
        """Answer open requests and those of new connections for at most this long, closing each connection."""
        self.is_stopping = True
        for _ in range(round(seconds / _POLL)):
            if not any(each.is_owed for each in self.connections if isinstance(each, _HttpConnection)):
                break
            await asyncio.sleep(_POLL)


class _HttpConnection(web.RequestHandler):
    __slots__ = ("_answered", "_ended", "_framing", "_gone", "_http_server", "_made_at")

    def __init__(self, http_server: HttpServer, loop: asyncio.AbstractEventLoop, idle: float) -> None:
        super().__init__(
            http_server,
            loop=loop,
            keepalive_timeout=idle,
            lingering_time=0,  # the rest of a body is discarded here
            access_log=None,  # type: ignore[arg-type]
            read_bufsize=BUFFER,
            auto_decompress=False,
        )
        self._http_server = http_server
        self._framing = RequestParser(self, loop)
        self._parser = self._framing  # type: ignore[assignment]
        self._made_at = loop.time()
        self._answered = 0
        self._ended = False
        #: done when the client has closed
        self._gone: asyncio.Future[None] | None = None

    @property
    def is_owed(self) -> bool:
        """Whether a request is open here, or about to come."""
        if self._request_count > self._answered or self._framing.is_in_request:
            return True
        return self._request_count == 0 and self._loop.time() - self._made_at < _NEW

    @property
    def is_busy(self) -> bool:
        """Whether a request is not answered yet."""
        return self._request_count > self._answered

    def give_way(self) -> None:
        """Close the connection at once, to make room for others."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection for its client's address."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._http_server.limit.add(self, origin_of(str(peer[0])) if isinstance(peer, tuple) else "")

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Answer the requests received before the client half-closed, then close."""
        self._ended = True
        self._framing.end()
        self._note_gone()
        return self._request_count > self._answered

    def connection_lost(self, exc: BaseException | None) -> None:
        """End waits for the client."""
        self._http_server.limit.remove(self)
        self._framing.end()
        self._note_gone()
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response without aiohttp's Server header; discard the rest of the request's body."""
        resp.headers["Server"] = "Postroad"
        content = request.content
        is_unread, most = not content.is_eof(), 0
        if is_unread:
            most = REMAINDER_CODED if resp.status == HTTPStatus.UNSUPPORTED_MEDIA_TYPE else REMAINDER
            if (request.content_length or 0) > most:
                most = 0
                resp.force_close()
        self._answered += 1
        self._http_server.limit.use(self)
        if self._http_server.is_stopping or self._is_finished():
            resp.force_close()
        sent = await super().finish_response(request, resp, start_time)
        if is_unread and most:
            await self._discard(content, most)
            is_unread = not content.is_eof()
        if is_unread or self._framing.is_broken:
            await self._linger()
        if self._is_finished():
            self.close()
        return sent

    def _is_finished(self) -> bool:
        """Whether the client has half-closed and all its requests are answered."""
        return self._ended and self._request_count == self._answered

    async def _discard(self, content: StreamReader, most: int) -> None:
        """Discard a body, so that the next request can be read."""
        taken = 0
        try:
            async with asyncio.timeout(_LINGERING):
                while not content.at_eof() and taken <= most:
                    taken += len(await content.readany())
        except (TimeoutError, web.RequestPayloadError):
            pass  # it is incomplete, so the connection is closed

    async def _linger(self) -> None:
        """Keep a connection open before closing it, until the client has read the response; read nothing more."""
        transport = self.transport
        if transport is None or self._ended or self._messages:
            return
        if transport.can_write_eof():
            transport.write_eof()
        self._gone = self._loop.create_future()
        await asyncio.wait([self._gone], timeout=_LINGERING)

    def _note_gone(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    async def _drain_helper(self) -> None:
        """Wait for a slow client, for a limited time."""
        if not self._paused:
            return await super()._drain_helper()
        try:
            async with asyncio.timeout(_STALLED):
                await super()._drain_helper()
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()  # close() would wait until everything is read
            self.force_close()
            raise ConnectionResetError("the client does not read the response") from None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer invalid HTTP or a failed request, and close."""
        if status >= 500 and exc is not None:
            self.log_exception("a request failed: %s", type(exc).__name__, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a response has already been started")
        if status >= 500:
            response = fault(status, "internal error")
        else:
            error = exc if isinstance(exc, MalformedRequest) else MalformedRequest(Code.MALFORMED, b"")
            response = self._http_server.refuse(request, error)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Log the traceback of our own errors without their texts; clients that disconnect are not logged."""
        error = more.pop("exc_info", None)
        if isinstance(error, web.RequestPayloadError | ConnectionError):
            return
        log.error(*args, exc_info=frames(error) if isinstance(error, BaseException) else error, **more)
