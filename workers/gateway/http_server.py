"""The HTTP server's connections: what is no HTTP is answered in the envelope of the API it was sent to, then closed."""

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

#: seconds a connection may be silent, or take to say what it wants; proxies hang up after 60, as they come
_IDLE = 75.0
#: connections of one process at a time; a silent one takes some 20 KB
CONNECTIONS = 10_000
#: seconds for which a connection is held after a refusal, so that its sender hears why
_LINGERING = 2.0
#: bytes of a refused body that are discarded, so that a client who sends all before he listens hears why; and of one
#: that was refused because it is coded
REMAINDER, REMAINDER_CODED = 16 * 1024 * 1024, 1024 * 1024
#: seconds an answer may wait for its reader
_STALLED = 30.0
#: seconds within which a new connection has said what it wants, or is not waited for when the server stops
_NEW = 1.0
#: seconds between two looks at what is still to be answered
_LOOK = 0.02

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
#: returns the answer to what cannot be read; the request has nothing but its address
Refuser = Callable[[web.BaseRequest, MalformedRequest], web.Response]


def _refuse(_request: web.BaseRequest, _error: MalformedRequest) -> web.Response:
    return fault(400, "this is no HTTP request that can be read")


class HttpServer(web.Server):
    """aiohttp's bare server, made discreet: its own words quote headers, and headers hold keys."""

    def __init__(
        self, handler: Handler, refuse: Refuser = _refuse, *, idle: float = _IDLE, most: int = CONNECTIONS
    ) -> None:
        """Take what answers requests, and what is none.

        `idle`: seconds until a silent connection is closed; `most`: connections at a time.
        """
        super().__init__(handler)
        self._idle = idle
        self.limit: ConnectionLimit[_Speaker] = ConnectionLimit(most)
        self.refuse = refuse
        #: whether each answer is its connection's last
        self.is_leaving = False

    def __call__(self) -> web.RequestHandler:
        """Return what speaks on a new connection."""
        return _Speaker(self, asyncio.get_running_loop(), self._idle)

    async def leave(self, seconds: float) -> None:
        """Answer what is under way and what new connections ask, for so long at most, each as the last."""
        self.is_leaving = True
        for _ in range(round(seconds / _LOOK)):
            if not any(each.is_owed for each in self.connections if isinstance(each, _Speaker)):
                break
            await asyncio.sleep(_LOOK)


class _Speaker(web.RequestHandler):
    __slots__ = ("_answered", "_ended", "_framing", "_gone", "_http_server", "_made_at")

    def __init__(self, http_server: HttpServer, loop: asyncio.AbstractEventLoop, idle: float) -> None:
        super().__init__(
            http_server,
            loop=loop,
            keepalive_timeout=idle,
            lingering_time=0,  # what is left of a body is seen to here
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
        #: done when the other side has hung up
        self._gone: asyncio.Future[None] | None = None

    @property
    def is_owed(self) -> bool:
        """Tell whether somebody waits for an answer here, or is about to ask for one."""
        if self._request_count > self._answered or self._framing.is_amid:
            return True
        return self._request_count == 0 and self._loop.time() - self._made_at < _NEW

    @property
    def is_busy(self) -> bool:
        """Tell whether a request was asked whose answer is not sent yet."""
        return self._request_count > self._answered

    def give_way(self) -> None:
        """Close the connection at once, for others' sake."""
        if self.transport is not None:
            self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Count the connection among those of its address."""
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        self._http_server.limit.add(self, origin_of(str(peer[0])) if isinstance(peer, tuple) else "")

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Answer what was asked before the other side ended its half, then close."""
        self._ended = True
        self._framing.end()
        self._be_gone()
        return self._request_count > self._answered

    def connection_lost(self, exc: BaseException | None) -> None:
        """End what waits for the other side."""
        self._http_server.limit.remove(self)
        self._framing.end()
        self._be_gone()
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer that does not tell what we are made of; see to what is left of the request's body."""
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
        if self._http_server.is_leaving or self._is_over():
            resp.force_close()
        sent = await super().finish_response(request, resp, start_time)
        if is_unread and most:
            await self._take_in(content, most)
            is_unread = not content.is_eof()
        if is_unread or self._framing.is_broken:
            await self._linger()
        if self._is_over():
            self.close()
        return sent

    def _is_over(self) -> bool:
        """Tell whether nobody asks any more."""
        return self._ended and self._request_count == self._answered

    async def _take_in(self, content: StreamReader, most: int) -> None:
        """Discard a body, so that the next request can come."""
        taken = 0
        try:
            async with asyncio.timeout(_LINGERING):
                while not content.at_eof() and taken <= most:
                    taken += len(await content.readany())
        except (TimeoutError, web.RequestPayloadError):
            pass  # it is not complete, so that the connection is closed

    async def _linger(self) -> None:
        """Hold a connection that is to be closed until its other side has heard why, reading nothing more of it."""
        transport = self.transport
        if transport is None or self._ended or self._messages:
            return
        if transport.can_write_eof():
            transport.write_eof()
        self._gone = self._loop.create_future()
        await asyncio.wait([self._gone], timeout=_LINGERING)

    def _be_gone(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    async def _drain_helper(self) -> None:
        """Wait for a reader that is slow, but not for ever."""
        if not self._paused:
            return await super()._drain_helper()
        try:
            async with asyncio.timeout(_STALLED):
                await super()._drain_helper()
        except TimeoutError:
            if self.transport is not None:
                self.transport.abort()  # closing would wait until all is read
            self.force_close()
            raise ConnectionResetError("nobody reads the answer") from None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, or what failed, and close."""
        if status >= 500 and exc is not None:
            self.log_exception("a call failed: %s", type(exc).__name__, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        if status >= 500:
            response = fault(status, "the fault is ours")
        else:
            error = exc if isinstance(exc, MalformedRequest) else MalformedRequest(Code.MALFORMED, b"")
            response = self._http_server.refuse(request, error)
        response.force_close()
        return response

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Log where something of ours failed, without what it says; a caller who breaks off is his own affair."""
        error = more.pop("exc_info", None)
        if isinstance(error, web.RequestPayloadError | ConnectionError):
            return
        log.error(*args, exc_info=frames(error) if isinstance(error, BaseException) else error, **more)
