"""An HTTP/1.1 client on a plain socket, for requests that HTTP libraries would not send."""

import http.client
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Headers = Sequence[tuple[str | bytes, str | bytes]]


@dataclass(frozen=True, slots=True)
class Received:
    """A response."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    #: whether the connection can be used again
    kept: bool


class Wire:
    """One connection, reopened only when the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        #: the number of connections opened so far
        self.made = 0

    def ask(self, raw: bytes, method: str = "GET") -> Received:
        """Send these bytes; return the response."""
        line = self._line()
        try:
            line.sendall(raw)
            answer = http.client.HTTPResponse(line, method=method)
            answer.begin()
            body = answer.read()
        except BaseException:
            self.close()
            raise
        kept = not answer.will_close
        if not kept:
            self.close()
        return Received(answer.status, {name.lower(): word for name, word in answer.getheaders()}, body, kept)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _line(self) -> socket.socket:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), 30)
            self.made += 1
        return self._socket


def spell(method: str, path: str | bytes, headers: Headers = (), body: bytes | None = None) -> bytes:
    """Return the bytes of a request; content-length is added unless one of its headers is given."""
    reported = [(_bytes(name), _bytes(word)) for name, word in headers]
    names = {name.lower() for name, _ in reported}
    if b"host" not in names:
        reported.insert(0, (b"Host", b"127.0.0.1"))
    if body is not None and not names & {b"content-length", b"transfer-encoding"}:
        reported.append((b"Content-Length", b"%d" % len(body)))
    head = b"".join(b"%b: %b\r\n" % each for each in reported)
    return b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method.encode(), _bytes(path), head, body or b"")


def chunked(*parts: bytes) -> bytes:
    """Return the parts as a chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


def _bytes(word: Any) -> bytes:
    return word if isinstance(word, bytes) else str(word).encode()
