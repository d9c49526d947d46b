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


class EsmeConnection:
    """One connection, on the SMSC's side."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._framer = Framer()
        self._frames: deque[Frame] = deque()

    def read(self) -> Frame:
        """Return the next PDU; EOFError at the end of the connection."""
        while not self._frames:
            octets = self.socket.recv(65536)
            if not octets:
                raise EOFError
            self._frames.extend(self._framer.feed(octets))
        return self._frames.popleft()

    def submit(self) -> Frame:
        """Return the next submit_sm; bind, enquire_link and unbind are answered."""
        while True:
            command, status, sequence, body = self.read()
            if command == CommandId.SUBMIT_SM:
                return command, status, sequence, body
            self.answer(command, sequence)

    def answer(self, command: int, sequence: int) -> None:
        """Answer a bind, enquire_link or unbind; ignore other PDUs."""
        if command in BINDS:
            self.say(pdu.bind_resp(command, sequence, "smsc"))
        elif command in (CommandId.ENQUIRE_LINK, CommandId.UNBIND):
            self.say(pdu.pdu(command | RESPONSE, sequence))

    def say(self, octets: bytes) -> None:
        """Send these octets."""
        self.socket.sendall(octets)

    def welcome(self) -> int:
        """Answer the bind; return its command id."""
        command, _, sequence, _ = self.read()
        self.answer(command, sequence)
        return command

    def serve(self) -> None:
        """Accept every submit_sm until the connection ends."""
        while True:
            _, _, sequence, _ = self.submit()
            self.say(pdu.submit_sm_resp(sequence, f"m{sequence}"))


Behaviour = Callable[[EsmeConnection], None]


@contextmanager
def smsc(behaviour: Behaviour) -> Iterator[int]:
    """Serve each connection with this function; yield the port."""

    def host(esme: socket.socket) -> None:
        with suppress(EOFError, ProtocolFault):
            behaviour(EsmeConnection(esme))

    with listening(host) as url:
        yield urlsplit(url).port or 0


class Clients:
    """Makes carriers, and closes them at the end."""

    def __init__(self) -> None:
        self.made: list[SmppCarrier] = []

    def __call__(self, port: int, **settings: Any) -> SmppCarrier:
        """Return a carrier on that port, with short timeouts."""
        carrier = SmppCarrier("alpha", {**SETTINGS, "port": port, **settings})
        self.made.append(carrier)
        return carrier

    def close(self) -> None:
        """Close all carriers."""
        for carrier in self.made:
            carrier.close()
