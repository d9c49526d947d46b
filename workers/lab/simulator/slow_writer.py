"""Writes to a connection so slowly that its reader times out."""

import asyncio


class SlowWriter:
    """The octets still to be written to one connection, one at a time."""

    def __init__(self, transport: asyncio.Transport, rate: float) -> None:
        self._transport = transport
        self._pause = 1 / max(rate, 0.001)
        self._left = bytearray()

    def __bool__(self) -> bool:
        return bool(self._left)

    def add(self, octets: bytes) -> None:
        """Append octets to write."""
        idle = not self._left
        self._left += octets
        if idle:
            self._step()

    def _step(self) -> None:
        if self._left and not self._transport.is_closing():
            self._transport.write(self._left[:1])
            del self._left[:1]
            asyncio.get_running_loop().call_later(self._pause, self._step)
