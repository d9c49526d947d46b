"""Connects with one deadline for all: DNS look-up, then TCP and TLS to one address after another.

An address that does not answer takes half of the remaining time if there are others: one of several machines that
is down, or broken IPv6, does not prevent a connection to the rest.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from ipaddress import ip_address
from threading import Thread
from typing import TypeVar

#: code for each reason why a connection failed; the first match counts
CONNECT_FAULTS: dict[type[Exception], str] = {
    TimeoutError: "connect_timeout",
    ssl.SSLError: "tls",
    socket.gaierror: "dns",
    ConnectionRefusedError: "refused",
    OSError: "connect",
}

P = TypeVar("P", bound=asyncio.Protocol)


class Connector:
    """Connects to one host and port.

    A look-up cannot be cancelled. The event loop runs them in a few threads shared by the whole process, and waits for
    them when it closes; so here each has a thread of its own that is never joined. One look-up runs at a time:
    concurrent calls share it.
    """

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, seconds: float, *, name: str | None = None
    ) -> None:
        """Take the target and its deadline in seconds; `name`: the name on its certificate, if not `host`."""
        self._host, self._port, self._tls, self._seconds = host, port, tls, seconds
        self._name = (name or host) if tls else None
        #: the running look-up, or the last one
        self._asked: Future[list[str]] | None = None

    async def connect(self, make: Callable[[], P]) -> P | str:
        """Return a connection's protocol, or the code of the failure."""
        try:
            async with asyncio.timeout(self._seconds) as whole:
                found = await self._look_up()
                return await self._first(make, found, whole.when() or 0.0)
        except OSError as error:
            return next(code for kind, code in CONNECT_FAULTS.items() if isinstance(error, kind))

    async def _first(self, make: Callable[[], P], found: list[str], by: float) -> P:
        """Return the first connection that succeeds, trying the addresses in turn; a TLS failure is final."""
        loop = asyncio.get_running_loop()
        fault = OSError("no address")
        for each in found:
            share = None if each is found[-1] else (by - loop.time()) / 2
            try:
                async with asyncio.timeout(share):
                    return (
                        await loop.create_connection(make, each, self._port, ssl=self._tls, server_hostname=self._name)
                    )[1]
            except ssl.SSLError:
                raise
            except OSError as error:
                fault = error
        raise fault

    async def _look_up(self) -> list[str]:
        with suppress(ValueError):
            ip_address(self._host)
            return [self._host]
        if self._asked is None or self._asked.done():
            asked: Future[list[str]] = Future()
            # prevents one waiter's cancellation from cancelling it for the others
            asked.set_running_or_notify_cancel()
            Thread(target=_ask, args=(asked, self._host, self._port), name="look-up", daemon=True).start()
            self._asked = asked
        return await asyncio.wrap_future(self._asked)


def _ask(asked: Future[list[str]], host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as error:  # noqa: BLE001 - passed on to the waiters
        asked.set_exception(error)
    else:
        asked.set_result([str(host) for *_, (host, *_) in found])
