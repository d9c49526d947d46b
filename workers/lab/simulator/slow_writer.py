"""Writes so slowly that nobody waits for the end."""

import asyncio


class SlowWriter:
    """What is still to be written to one connection, drop by drop."""

    def __init__(self, transport: asyncio.Transport, rate: float) -> None:
        self._transport = transport
        self._pause = 1 / max(rate, 0.001)
        self._left = bytearray()

    def __bool__(self) -> bool:
        return bool(self._left)

    def add(self, octets: bytes) -> None:
        """Write these too, behind what is left."""
        idle = not self._left
        self._left += octets
        if idle:
            self._fall()

    def _fall(self) -> None:
        if self._left and not self._transport.is_closing():
            self._transport.write(self._left[:1])
            del self._left[:1]
            asyncio.get_running_loop().call_later(self._pause, self._fall)
