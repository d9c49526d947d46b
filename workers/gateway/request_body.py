"""The bodies of requests: read when it is time, no longer than they may be, no slower than they should come."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from pipeline.errors import Crowded
from schema.vocabulary import Code
from workers.api import unauthenticated
from workers.api.unauthenticated import ReadShare

#: seconds a known caller may take to send what he announced
TIMEOUT = 30.0


class BodyRejected(Exception):
    """A body was not taken in, for this reason; its connection is closed."""

    def __init__(self, code: Code, words: str, wait: float = 0.0) -> None:
        super().__init__(words)
        self.code = code
        #: seconds after which another try may help
        self.wait = wait


class RequestBody:
    """The body of one request. Until it is read, its sender is held back."""

    __slots__ = ("_request",)

    def __init__(self, request: web.BaseRequest) -> None:
        """Take the request; nothing is read."""
        self._request = request

    @property
    def announced(self) -> int:
        """Return the bytes it is said to have; 0 where that is not told."""
        return self._request.content_length or 0

    @property
    def is_here(self) -> bool:
        """Tell whether all of it came already, so that reading takes no wait."""
        return self._request.content.is_eof()

    async def read(self, largest: int, measure: Callable[[int], None]) -> bytes:
        """Return a known caller's body; Unread says why not. `weigh` is told what came so far; it may be Crowded."""
        return await self._read(largest, measure, TIMEOUT, None)

    async def read_unauthenticated(self, largest: int, share: ReadShare) -> bytes:
        """Return the body of one who is not known yet; Unread says why not: it may have to make room for others."""
        return await self._read(largest, share.measure, unauthenticated.TIMEOUT, share)

    async def _read(
        self, largest: int, measure: Callable[[int], None], seconds: float, share: ReadShare | None
    ) -> bytes:
        if self.announced > largest:
            raise _too_large(largest)
        try:
            if self.is_here:
                return self._at_once(largest, measure)
            async with asyncio.timeout(seconds) as deadline:
                if share:
                    share.deadline = deadline
                return await self._wait(largest, measure)
        except TimeoutError:
            raise (
                _crowded() if share and share.is_out else BodyRejected(Code.MALFORMED, "the body did not come")
            ) from None
        except (web.RequestPayloadError, ConnectionError):
            raise BodyRejected(Code.MALFORMED, "the body is not sent as HTTP has it") from None
        except Crowded:
            raise _crowded() from None

    def _at_once(self, largest: int, measure: Callable[[int], None]) -> bytes:
        body = self._request.content.read_nowait()
        if len(body) > largest:
            raise _too_large(largest)
        measure(len(body))
        return body

    async def _wait(self, largest: int, measure: Callable[[int], None]) -> bytes:
        await self._welcome()
        body = bytearray()
        async for chunk in self._request.content.iter_any():
            body += chunk
            if len(body) > largest:
                raise _too_large(largest)
            measure(len(body))
        return bytes(body)

    async def _welcome(self) -> None:
        """Tell a caller who asks before he sends a body (RFC 9110, 10.1.1) that it is wanted."""
        if self._request.headers.get("Expect", "").lower() == "100-continue":
            await self._request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._request.writer.output_size = 0  # of the answer itself nothing is out yet


def is_encoded(request: web.BaseRequest) -> bool:
    """Tell whether a request has a body that is compressed, or says that it is coded in a way not known here."""
    headers = request.headers
    if "Content-Encoding" not in headers and "Transfer-Encoding" not in headers:
        return False
    content = {
        word.strip().lower() for reported in headers.getall("Content-Encoding", ()) for word in reported.split(",")
    }
    transfer = [reported.strip().lower() for reported in headers.getall("Transfer-Encoding", ())]
    return (bool(content - {"", "identity"}) and request.can_read_body) or transfer not in ([], ["chunked"])


def _crowded() -> BodyRejected:
    return BodyRejected(Code.UNAVAILABLE, "try again in a moment", wait=1.0)


def _too_large(largest: int) -> BodyRejected:
    return BodyRejected(Code.TOO_LARGE, f"a request may have {largest} bytes")
