"""How a connection comes about: the name is looked up, then one of its addresses connects, all within one time.

An address that does not answer takes half of the time that is left, where there is another: one machine of several that
is gone, or a way by IPv6 that leads nowhere, does not keep us from the rest.
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

#: why no connection came about; the first that fits
CONNECT_FAULTS: dict[type[Exception], str] = {
    TimeoutError: "connect_timeout",
    ssl.SSLError: "tls",
    socket.gaierror: "dns",
    ConnectionRefusedError: "refused",
    OSError: "connect",
}

P = TypeVar("P", bound=asyncio.Protocol)


class Connector:
    """The way to one host and port.

    A look-up cannot be broken off. The loop makes them in a few threads that all its process shares, and waits for them
    when it is closed; so here each has a thread of its own, which nobody waits for. There is one at a time: whoever
    connects meanwhile shares it.
    """

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, seconds: float, *, name: str | None = None
    ) -> None:
        """Take where to connect to, in how many seconds; `name`: what its certificate says, if not `host`."""
        self._host, self._port, self._tls, self._seconds = host, port, tls, seconds
        self._name = (name or host) if tls else None
        #: the look-up under way, or the last there was
        self._asked: Future[list[str]] | None = None

    async def connect(self, make: Callable[[], P]) -> P | str:
        """Return a connection's protocol, or the code that says why there is none."""
        try:
            async with asyncio.timeout(self._seconds) as whole:
                found = await self._look_up()
                return await self._first(make, found, whole.when() or 0.0)
        except OSError as error:
            return next(code for kind, code in CONNECT_FAULTS.items() if isinstance(error, kind))

    async def _first(self, make: Callable[[], P], found: list[str], by: float) -> P:
        """Return what connects first; the rest are tried in turn, but TLS that failed has failed."""
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
            # from now on nobody who waits for it can cancel it for the others
            asked.set_running_or_notify_cancel()
            Thread(target=_ask, args=(asked, self._host, self._port), name="look-up", daemon=True).start()
            self._asked = asked
        return await asyncio.wrap_future(self._asked)


def _ask(asked: Future[list[str]], host: str, port: int) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except Exception as error:  # noqa: BLE001 - whoever waits is told
        asked.set_exception(error)
    else:
        asked.set_result([str(each[4][0]) for each in found])
