"""Stops listening without resetting a caller: what is connected is accepted, and who would connect tries again.

A listening socket that is closed resets the connections that the kernel had made for it and nobody had accepted. So
before it is closed the kernel is told to drop what would open another (a SYN, whose sender repeats it a second later
and then reaches whoever listens by then), and the handshakes under way are given the time to end.
"""

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Iterable

from aiohttp import web

#: seconds that a handshake under way takes, with the longest way there is on earth and back
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
    """Have nobody new connect to listening sockets; return when all who had begun to are accepted."""
    for number in sockets:
        # elsewhere than on Linux there is no such filter
        with contextlib.suppress(OSError):
            _drop_syn(number)
    await asyncio.sleep(HANDSHAKE)


def _drop_syn(number: int) -> None:
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in _NO_SYN))
    with socket.socket(fileno=os.dup(number)) as twin:
        twin.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_SYN), ctypes.addressof(code)))
