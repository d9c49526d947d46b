"""The bodies of requests: no longer than they may be, no slower, and no more of them than memory has room for."""

import asyncio
from collections.abc import Callable

from aiohttp import web

from pipeline.errors import Crowded
from schema.vocabulary import Code

#: seconds a caller may take to send what he announced
PATIENCE = 30.0


class Unread(Exception):
    """A body was not taken in, for this reason; its connection is closed."""

    def __init__(self, code: Code, words: str, wait: float = 0.0) -> None:
        super().__init__(words)
        self.code = code
        #: seconds after which another try may help
        self.wait = wait


async def read(request: web.BaseRequest, largest: int, weigh: Callable[[int], None]) -> bytes:
    """Return the body; Unread says why not. `weigh` is told how much of it came so far, and may raise Crowded."""
    if not request.can_read_body:
        return b""
    if (request.content_length or 0) > largest:
        raise _too_large(largest)
    try:
        async with asyncio.timeout(PATIENCE):
            return await _read(request, largest, weigh)
    except TimeoutError:
        raise Unread(Code.BAD_JSON, "the body did not come") from None
    except web.RequestPayloadError:
        raise Unread(Code.BAD_JSON, "the body is not sent as HTTP has it") from None
    except Crowded:
        raise Unread(Code.UNAVAILABLE, "try again in a moment", wait=1.0) from None


async def _read(request: web.BaseRequest, largest: int, weigh: Callable[[int], None]) -> bytes:
    await _welcome(request)
    body = bytearray()
    async for chunk in request.content.iter_any():
        body += chunk
        if len(body) > largest:
            raise _too_large(largest)
        weigh(len(body))
    return bytes(body)


async def _welcome(request: web.BaseRequest) -> None:
    """Tell a caller who asks before he sends a body (RFC 9110, 10.1.1) that it is wanted."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # of the answer itself nothing is out yet


def _too_large(largest: int) -> Unread:
    return Unread(Code.TOO_LARGE, f"a request may have {largest} bytes")
