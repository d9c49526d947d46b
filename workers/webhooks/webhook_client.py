"""The HTTP client for webhooks, protected against SSRF: each address is checked when its socket is opened.

aiohttp's resolver hook is not called for IP addresses in a URL, so the check is repeated for every socket before it is
opened: no call can bypass it. A name is resolved once, redirects are not followed, proxies of the environment not used,
cookies not kept, and of a response's body only as much is read as keeps the connection usable.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from pipeline.stages.api.webhook_endpoints import AllowedAddresses, fault, may_be_called
from schema.api import WebhookPost

#: bytes of a response that are read before its connection is closed, and the seconds they may take
_READ, _READ_SECONDS = 64 * 1024, 2.0
#: seconds for which a name's addresses are cached
_NAMES = 10
#: concurrent DNS lookups: one that hangs occupies a thread
_LOOKUPS = 64

#: `socket.getaddrinfo`, or a replacement
Lookup = Callable[..., Sequence[tuple[Any, ...]]]


@dataclass(frozen=True, slots=True)
class WebhookResponse:
    """The endpoint's response."""

    status: int
    #: the first bytes of the body
    body: bytes
    #: Retry-After and Date
    headers: Mapping[str, str] = field(default_factory=dict)


class AddressForbidden(OSError):
    """The address is not one that webhooks may reach."""


class WebhookClient:
    """Makes calls; an async context manager that holds the sessions."""

    def __init__(
        self, reach: AllowedAddresses, lookup: Lookup = socket.getaddrinfo, tls: ssl.SSLContext | None = None
    ) -> None:
        """Take the allowed addresses; `tls`: the trusted certificates. Nothing is opened before it is entered."""
        self._reach = reach
        self._lookup = lookup
        self._tls = tls or ssl.create_default_context()
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._threads = ThreadPoolExecutor(_LOOKUPS, "names")

    async def __aenter__(self) -> "WebhookClient":
        """Open the sessions: one for HTTPS, one for HTTP."""
        for scheme in ("https", "http"):
            address_check = _AddressCheck(self._reach, scheme == "https")
            connector = aiohttp.TCPConnector(
                limit=0,
                resolver=_CheckedResolver(address_check, self._lookup, self._threads),
                ttl_dns_cache=_NAMES,
                socket_factory=address_check.open,
                ssl=self._tls,
            )
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "Postroad-Webhooks", "Accept": "*/*", "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
            )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def call(self, url: str, posting: WebhookPost, seconds: float) -> int | str:
        """Make a webhook call; return the response's HTTP status, or an error word. Never raises."""
        answer = await self.post(url, posting, seconds)
        return answer if isinstance(answer, str) else answer.status

    async def post(self, url: str, posting: WebhookPost, seconds: float) -> WebhookResponse | str:
        """Make a webhook call; return the response without its body, or an error word. Never raises."""
        answer = await self._post(url, posting, seconds)
        if isinstance(answer, str):
            return answer
        await _drain(answer)
        return WebhookResponse(
            answer.status, b"", {name: answer.headers.get(name, "") for name in ("Retry-After", "Date")}
        )

    async def ask(self, url: str, posting: WebhookPost, seconds: float) -> WebhookResponse | str:
        """Make a webhook call; return the response with its body, or an error word. Never raises."""
        answer = await self._post(url, posting, seconds)
        if isinstance(answer, str):
            return answer
        body = bytearray()
        await _drain(answer, body)
        return WebhookResponse(answer.status, bytes(body))

    async def _post(self, url: str, posting: WebhookPost, seconds: float) -> aiohttp.ClientResponse | str:
        if fault(url, self._reach):
            return "url_unfit"
        try:
            return await self._sessions[url.partition(":")[0].lower()].post(
                URL(url, encoded=True),
                data=posting.body,
                headers=posting.headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=seconds),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return _error_word(error)


async def _drain(answer: aiohttp.ClientResponse, kept: bytearray | None = None) -> None:
    """Read a response to its end, so that its connection can be reused, else close it; append the bytes to `kept`."""
    left = _READ
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(_READ_SECONDS):
            while left > 0:
                piece = await answer.content.read(left)
                if not piece:
                    answer.release()
                    return
                left -= len(piece)
                if kept is not None:
                    kept += piece
    answer.close()


def _error_word(error: Exception) -> str:
    """Return the error word of a failed call; not the exception's text, which may quote what was sent."""
    cause = getattr(error, "os_error", error)
    if isinstance(cause, AddressForbidden):
        return "address_forbidden"
    for kind, word in _WORDS.items():
        if isinstance(error, kind):
            return word
    return "url_unfit"


_WORDS: dict[type[Exception], str] = {
    TimeoutError: "timeout",
    aiohttp.ClientConnectorDNSError: "no_such_host",
    aiohttp.ClientSSLError: "no_tls",
    aiohttp.ClientConnectorError: "no_connection",
    aiohttp.ServerDisconnectedError: "no_answer",
    aiohttp.ClientOSError: "no_answer",
    aiohttp.ClientResponseError: "unreadable_answer",
    aiohttp.ClientPayloadError: "unreadable_answer",
    OSError: "no_connection",
}


class _AddressCheck:
    """Opens sockets to allowed addresses only."""

    def __init__(self, reach: AllowedAddresses, tls: bool) -> None:
        self._reach = reach
        self._tls = tls

    def check(self, address: str, port: int) -> None:
        """Raise AddressForbidden unless this address may be called."""
        if not may_be_called(address, port, self._reach, tls=self._tls):
            raise AddressForbidden("not an address that webhooks may reach")

    def open(self, info: tuple[Any, ...]) -> socket.socket:
        """Return a socket for an address that is about to be connected."""
        family, kind, protocol, _, address = info
        host, port, *_ = address
        self.check(host, port)
        return socket.socket(family, kind, protocol)


class _CheckedResolver(AbstractResolver):
    """Resolves names; one with any forbidden address is refused as a whole."""

    def __init__(self, address_check: _AddressCheck, lookup: Lookup, threads: ThreadPoolExecutor) -> None:
        self._address_check = address_check
        self._lookup = lookup
        self._threads = threads

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the name's addresses; AddressForbidden when one of them may not be called."""
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(
            self._threads, lambda: self._lookup(host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        )
        for *_, (address, *_) in found:
            self._address_check.check(address, port)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=each,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for each, _, protocol, _, (address, *_) in found
        ]

    async def close(self) -> None:
        """Close nothing: the client owns the threads."""
