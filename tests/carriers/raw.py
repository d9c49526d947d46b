"""Small servers on plain sockets, for responses that violate HTTP."""

import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread

#: handles one connection; it may keep it open by not returning
Behaviour = Callable[[socket.socket], None]


@contextmanager
def listening(behaviour: Behaviour) -> Iterator[str]:
    """Serve each connection in its own thread; yield the URL."""
    server = socket.create_server(("127.0.0.1", 0), backlog=128)
    server.settimeout(0.05)
    guests: list[socket.socket] = []
    threads: list[Thread] = []
    closed = False

    def host(guest: socket.socket) -> None:
        with guest, suppress(OSError):
            behaviour(guest)

    def welcome() -> None:
        while not closed:
            with suppress(TimeoutError):
                guest, _ = server.accept()
                guest.settimeout(10)
                guests.append(guest)
                threads.append(Thread(target=host, args=(guest,)))
                threads[-1].start()

    welcoming = Thread(target=welcome)
    welcoming.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        closed = True
        welcoming.join()
        server.close()
        for guest in guests:
            with suppress(OSError):
                guest.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(10)


def read_request(guest: socket.socket) -> bytes:
    """Read one whole request; return its body, b"" at the end of the connection."""
    got = b""
    while b"\r\n\r\n" not in got:
        more = guest.recv(65536)
        if not more:
            return b""
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += guest.recv(65536)
    return body


def reset(guest: socket.socket) -> None:
    """Reset the connection instead of closing it."""
    guest.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    guest.close()


def saying(answer: bytes) -> Behaviour:
    """Return a handler that answers each request with these bytes and keeps the connection open."""

    def behaviour(guest: socket.socket) -> None:
        while read_request(guest):
            guest.sendall(answer)

    return behaviour


def plain(status: str, body: bytes = b"", *headers: str) -> bytes:
    """Return the bytes of a valid response."""
    head = "\r\n".join([f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers])
    return head.encode() + b"\r\n\r\n" + body
