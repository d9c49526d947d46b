"""An SMSC on a plain socket, for responses that violate SMPP."""

import socket
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import RESPONSE, CommandId
from pipeline.carriers.smpp.framer import Frame, Framer, ProtocolFault
from pipeline.carriers.smpp.smpp_carrier import SmppCarrier
from tests.carriers.raw import listening

BINDS = {CommandId.BIND_RECEIVER, CommandId.BIND_TRANSMITTER, CommandId.BIND_TRANSCEIVER}
SETTINGS = {
    "host": "127.0.0.1",
    "system_id": "postroad",
    "password": "secret",
    "deadline": 5,
    "connect_timeout": 2,
    "bind_timeout": 2,
    "throttle_pause": 0.1,
    "reconnect_pause": 0.05,
}


class Guest:
    """One connection, from the SMSC's side."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._framer = Framer()
        self._frames: deque[Frame] = deque()

    def read(self) -> Frame:
        """Return the next PDU; EOFError where there is none any more."""
        while not self._frames:
            octets = self.socket.recv(65536)
            if not octets:
                raise EOFError
            self._frames.extend(self._framer.feed(octets))
        return self._frames.popleft()

    def submit(self) -> Frame:
        """Return the next submit_sm; the SMSC lives: it answers enquire_link."""
        while True:
            command, status, sequence, body = self.read()
            if command == CommandId.SUBMIT_SM:
                return command, status, sequence, body
            self.answer(command, sequence)

    def answer(self, command: int, sequence: int) -> None:
        """Answer whatever is no message."""
        if command in BINDS:
            self.say(pdu.bind_resp(command, sequence, "smsc"))
        elif command in (CommandId.ENQUIRE_LINK, CommandId.UNBIND):
            self.say(pdu.pdu(command | RESPONSE, sequence))

    def say(self, octets: bytes) -> None:
        """Write."""
        self.socket.sendall(octets)

    def welcome(self) -> int:
        """Answer the bind; return which it was."""
        command, _, sequence, _ = self.read()
        self.answer(command, sequence)
        return command

    def serve(self) -> None:
        """Take everything until the other end goes."""
        while True:
            _, _, sequence, _ = self.submit()
            self.say(pdu.submit_sm_resp(sequence, f"m{sequence}"))


SessionOptions = Callable[[Guest], None]


@contextmanager
def smsc(session_options: SessionOptions) -> Iterator[int]:
    """Serve each connection so; yields the port."""

    def host(guest: socket.socket) -> None:
        with suppress(EOFError, ProtocolFault):
            session_options(Guest(guest))

    with listening(host) as url:
        yield urlsplit(url).port or 0


class Clients:
    """Makes carriers, and closes them."""

    def __init__(self) -> None:
        self.made: list[SmppCarrier] = []

    def __call__(self, port: int, **settings: Any) -> SmppCarrier:
        """Return a carrier at that port, in a hurry."""
        carrier = SmppCarrier("alpha", {**SETTINGS, "port": port, **settings})
        self.made.append(carrier)
        return carrier

    def close(self) -> None:
        """Close all of them."""
        for carrier in self.made:
            carrier.close()
