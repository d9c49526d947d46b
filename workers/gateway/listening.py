"""Stops listening without resetting a client: established connections are accepted, new ones retry.

Closing a listening socket resets the connections that the kernel established and the process has not accepted. So
before that the kernel is told to drop SYNs (a client repeats it after a second and then reaches the process that
listens by then), and handshakes in progress get the time to finish.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterable

from aiohttp import web

#: seconds for a handshake in progress to finish, with the longest round trip on earth
HANDSHAKE = 0.3

#: Linux, asm-generic/socket.h
_SO_ATTACH_FILTER = 26
#: classic BPF (linux/filter.h) over a TCP segment: code, jump if true, jump if false, operand
_NO_SYN = (
    (0x30, 0, 0, 13),  # load the flags
    (0x54, 0, 0, 0x12),  # of them SYN and ACK
    (0x15, 0, 1, 0x02),  # if it is SYN alone
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # keep all else
)


def listening(site: web.BaseSite) -> list[int]:
    """Return the file descriptors that a site listens with."""
    return [each.fileno() for each in getattr(site._server, "sockets", ())]


async def refuse_new(sockets: Iterable[int]) -> None:
    """Refuse new connections on listening sockets; return when those in progress are accepted."""
    for number in sockets:
        # elsewhere than on Linux there is no such filter
        with contextlib.suppress(OSError):
            _drop_syn(number)
    await asyncio.sleep(HANDSHAKE)


def _drop_syn(number: int) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _NO_SYN))
    with socket.socket(fileno=os.dup(number)) as twin:
        twin.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_SYN), ctypes.addressof(code)))
