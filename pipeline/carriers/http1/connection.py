"""One HTTP/1.1 connection: writes a whole request, returns its response or the failure."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from schema.value_class import value_class

#: maximum bytes of a response with its headers
LONGEST = 65_536


@value_class
class HttpResponse:
    """A response."""

    status: int
    #: names in lower case
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpFault:
    """Why there is no response."""

    code: str
    #: whether any byte of the request may have been sent
    written: bool


@dataclass(frozen=True, slots=True)
class Address:
    """The address in an http(s) URL."""

    host: str
    port: int
    tls: bool
    path: str
    #: value of the Host header
    authority: str

    @classmethod
    def parse(cls, url: str) -> "Address":
        """Parse a URL; ValueError if it is not http(s)."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not url.isascii() or " " in url:
            raise ValueError("must be an http:// or https:// URL")
        parts.hostname.encode("idna")
        tls = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return cls(parts.hostname, parts.port or (443 if tls else 80), tls, path, parts.netloc.rpartition("@")[2])

    def head(self, headers: Mapping[str, str], method: str = "POST", content: str = "application/json") -> bytes:
        """Return the head of a request to this address, up to Content-Length; names and values must be printable."""
        lines = [f"{method} {self.path} HTTP/1.1", f"host: {self.authority}"]
        lines += [f"{name}: {value}" for name, value in {"content-type": content, **headers}.items() if value]
        return "\r\n".join(lines).encode("latin-1") + b"\r\ncontent-length: "


def request(head: bytes, body: bytes) -> bytes:
    """Return a request with its Content-Length and body."""
    return b"%s%d\r\n\r\n%s" % (head, len(body), body)


_TIMEOUT = HttpFault("timeout", written=True)


class HttpConnection(asyncio.Protocol):
    """One connection, with at most one request on it."""

    def __init__(self) -> None:
        #: when it was last used, by the loop's clock
        self.idle_since = asyncio.get_running_loop().time()
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[HttpResponse | HttpFault] | None = None
        self._forget()

    async def post(self, whole: bytes, deadline: float) -> HttpResponse | HttpFault:
        """Write a request and return its response; after a fault the connection cannot be used again."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[HttpResponse | HttpFault] = loop.create_future()
        self._waiter = waiter
        self._transport.write(whole)
        late = loop.call_later(deadline, self._settle, _TIMEOUT)
        try:
            return await waiter
        finally:
            late.cancel()
            self.idle_since = loop.time()
            if self._waiter is not None:  # cancelled
                self._waiter = None
                self._transport.abort()

    @property
    def usable(self) -> bool:
        """Whether another request may be written."""
        return not self._transport.is_closing()

    def abort(self) -> None:
        """Close it at once."""
        self._transport.abort()

    # Callbacks of the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._size += len(data)
        if self._waiter is None or self._size > LONGEST:
            self._settle(HttpFault("too_long", written=True))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._settle(HttpFault("unreadable", written=True))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        if exc is None and self._until_closed:
            self._settle(self._answer())
        else:
            self._settle(HttpFault("reset" if exc else "closed", written=True))

    # Callbacks of the parser

    def on_message_begin(self) -> None:  # noqa: D102
        self._forget()

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:  # noqa: D102
        framed = "content-length" in self._headers or "transfer-encoding" in self._headers
        self._until_closed = not framed and not self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:  # noqa: D102
        self._body.append(body)

    def on_message_complete(self) -> None:  # noqa: D102
        if self._parser.get_status_code() < 200:
            return
        reusable = self._parser.should_keep_alive()
        self._settle(self._answer(), reusable)

    def _answer(self) -> HttpResponse:
        return HttpResponse(self._parser.get_status_code(), self._headers, b"".join(self._body))

    def _settle(self, result: HttpResponse | HttpFault, reusable: bool = False) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(result)
        if waiter is None or not reusable:
            self._transport.abort()
        self._forget()

    def _forget(self) -> None:
        self._size = 0
        self._until_closed = False
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
