"""Reads request bodies late, within limits of size and time."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from pipeline.errors import Overloaded
from schema.vocabulary import Code
from workers.api import unauthenticated
from workers.api.unauthenticated import ReadShare

#: seconds an authenticated client may take to send its body
TIMEOUT = 30.0


class BodyRejected(Exception):
    """A body that was not accepted, with the reason; its connection is closed."""

    def __init__(self, code: Code, message: str, wait: float = 0.0) -> None:
        super().__init__(message)
        self.code = code
        #: seconds after which a retry may succeed
        self.wait = wait


class RequestBody:
    """The body of one request; nothing is read from the socket beyond a buffer until it is read here."""

    __slots__ = ("_request",)

    def __init__(self, request: web.BaseRequest) -> None:
        """Take the request; nothing is read yet."""
        self._request = request

    @property
    def announced(self) -> int:
        """Return its Content-Length; 0 without one."""
        return self._request.content_length or 0

    @property
    def is_here(self) -> bool:
        """Whether all of it has been received."""
        return self._request.content.is_eof()

    async def read(self, largest: int, set_size: Callable[[int], None]) -> bytes:
        """Return an authenticated client's body; BodyRejected. `set_size` gets the size so far; it may raise."""
        return await self._read(largest, set_size, TIMEOUT, None)

    async def read_unauthenticated(self, largest: int, share: ReadShare) -> bytes:
        """Return the body of an unauthenticated client; BodyRejected, also when evicted for other clients."""
        return await self._read(largest, share.set_size, unauthenticated.TIMEOUT, share)

    async def _read(
        self, largest: int, set_size: Callable[[int], None], seconds: float, share: ReadShare | None
    ) -> bytes:
        if self.announced > largest:
            raise _too_large(largest)
        try:
            if self.is_here:
                return self._at_once(largest, set_size)
            async with asyncio.timeout(seconds) as deadline:
                if share:
                    share.deadline = deadline
                return await self._wait(largest, set_size)
        except TimeoutError:
            raise (
                _overloaded()
                if share and share.is_out
                else BodyRejected(Code.MALFORMED, "the body was not received in time")
            ) from None
        except (web.RequestPayloadError, ConnectionError):
            raise BodyRejected(Code.MALFORMED, "the body violates HTTP") from None
        except Overloaded:
            raise _overloaded() from None

    def _at_once(self, largest: int, set_size: Callable[[int], None]) -> bytes:
        body = self._request.content.read_nowait()
        if len(body) > largest:
            raise _too_large(largest)
        set_size(len(body))
        return body

    async def _wait(self, largest: int, set_size: Callable[[int], None]) -> bytes:
        await self._continue()
        body = bytearray()
        async for chunk in self._request.content.iter_any():
            body += chunk
            if len(body) > largest:
                raise _too_large(largest)
            set_size(len(body))
        return bytes(body)

    async def _continue(self) -> None:
        """Answer `Expect: 100-continue` (RFC 9110, 10.1.1)."""
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._request.writer.output_size = 0  # nothing of the final response is sent yet


def is_encoded(request: web.BaseRequest) -> bool:
    """Whether a request has a content coding, or a transfer coding other than chunked."""
    headers = request.headers
    if "Content-Encoding" not in headers and "Transfer-Encoding" not in headers:
        return False
    content = {word.strip().lower() for value in headers.getall("Content-Encoding", ()) for word in value.split(",")}
    transfer = [value.strip().lower() for value in headers.getall("Transfer-Encoding", ())]
    return (bool(content - {"", "identity"}) and request.can_read_body) or transfer not in ([], ["chunked"])


def _overloaded() -> BodyRejected:
    return BodyRejected(Code.UNAVAILABLE, "busy; retry in a moment", wait=1.0)


def _too_large(largest: int) -> BodyRejected:
    return BodyRejected(Code.TOO_LARGE, f"the body is larger than {largest} bytes")
