"""The HTTP server itself: what is no HTTP is told so in a word, and nothing of it is repeated, here or in the log."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from workers.doors.entry import frames
from workers.receipts import fault

log = logging.getLogger(__name__)

#: seconds a connection may be silent, or take to say what it wants; proxies hang up after 60, as they come
_IDLE = 75.0
#: seconds for which the rest of a body that was refused is taken in, so that its sender hears why
_LINGERING = 2.0

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Reception(web.Server):
    """aiohttp's bare server, made discreet: its own words quote headers, and headers hold keys."""

    def __init__(self, handler: Handler, *, idle: float = _IDLE) -> None:
        """Take what answers a request; `idle`: seconds after which a connection that asks nothing is closed."""
        super().__init__(handler)
        self._idle = idle

    def __call__(self) -> web.RequestHandler:
        """Return what speaks on a new connection."""
        loop = asyncio.get_running_loop()
        return _Speaker(
            self,
            loop=loop,
            keepalive_timeout=self._idle,
            lingering_time=_LINGERING,
            access_log=None,  # type: ignore[arg-type]
        )


class _Speaker(web.RequestHandler):
    __slots__ = ()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer that does not tell what we are made of."""
        resp.headers["Server"] = "Postroad"
        return await super().finish_response(request, resp, start_time)

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
        response = fault(status, "the fault is ours" if status >= 500 else "this is no HTTP request that can be read")
        response.force_close()
        return response

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Log where something of ours failed, without what it says; a caller who breaks off is his own affair."""
        error = more.pop("exc_info", None)
        if isinstance(error, web.RequestPayloadError | ConnectionError):
            return
        log.error(*args, exc_info=frames(error) if isinstance(error, BaseException) else error, **more)
