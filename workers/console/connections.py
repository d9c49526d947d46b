"""A connection to the console: uvicorn's, closed when its client takes too long to send the head of a request."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

#: seconds after which a connection without a whole head of a request is closed; at the latest after twice as many
HEAD_SECONDS = 15


class ConsoleConnection(H11Protocol):
    """A connection whose client cannot occupy it without asking for anything.

    uvicorn has a timeout for connections between two requests only: some hundreds that send nothing, or a byte now and
    then, would keep everyone else out. Of its two parsers, h11 limits the size of a head (64 KiB), httptools does not.
    """

    #: the request of the last look, None before the first
    _seen: object = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to watch a new connection."""
        super().connection_made(transport)
        self.loop.call_later(HEAD_SECONDS, self._look)

    def _look(self) -> None:
        """Close it if there was no request since the last look, and none is being answered; else look again later."""
        if self.transport.is_closing():
            return
        if self._seen is self.cycle and getattr(self.cycle, "response_complete", True):
            self.transport.close()
            return
        self._seen = self.cycle
        self.loop.call_later(HEAD_SECONDS, self._look)
