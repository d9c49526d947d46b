"""A raw SMPP client (ESME) for tests of the simulator and other SMSCs."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import CommandId, Tag
from pipeline.carriers.smpp.framer import Frame, Framer

SOURCE = pdu.address("source_addr", 5, 0, "ACME")


def body(text: bytes = b"hello", to: str = "491701234567", ref: str = "", **more: Any) -> bytes:
    """Return the body of a submit_sm that requests a receipt."""
    tlvs = more.pop("tlvs", b"") + (pdu.tlv(0x1500, ref.encode()) if ref else b"")
    fields = {"registered_delivery": 1, "tlvs": tlvs, **more}
    return pdu.message(SOURCE, pdu.address("destination_addr", 1, 1, to), text, **fields)


class Esme:
    """One SMPP connection."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._framer = Framer()
        self._sequence = 0
        self._frames: list[Frame] = []

    def say(self, octets: bytes) -> None:
        """Send these octets."""
        self.socket.sendall(octets)

    def next(self) -> int:
        """Return the next sequence number."""
        self._sequence += 1
        return self._sequence

    def receive(self, count: int = 1, seconds: float = 5) -> list[Frame]:
        """Return the next `count` frames, or those that arrived within the time."""
        until = time.monotonic() + seconds
        while len(self._frames) < count and (left := until - time.monotonic()) > 0:
            self.socket.settimeout(left)
            with suppress(TimeoutError):
                octets = self.socket.recv(1 << 16)
                if not octets:
                    break
                self._frames += self._framer.feed(octets)
        found, self._frames = self._frames[:count], self._frames[count:]
        return found

    def bind(
        self, system_id: str = "alpha", password: str = "", command: CommandId = CommandId.BIND_TRANSCEIVER
    ) -> tuple[int, str]:
        """Send a bind; return the status and the SMSC's system_id."""
        self.say(pdu.bind(command, self.next(), pdu.BindPdu(system_id, password)))
        [(_, status, _, answer)] = self.receive()
        return status, pdu.read_bind_resp(answer)[0]

    def submit(self, *bodies: bytes) -> list[tuple[int, int, str]]:
        """Send these submit_sm in one write; return (command, status, message id) of each response."""
        self.say(b"".join(pdu.submit_sm(self.next(), each) for each in bodies))
        return [
            (command, status, pdu.read_submit_resp(answer)) for command, status, _, answer in self.receive(len(bodies))
        ]

    def letters(self, count: int = 1, seconds: float = 5, status: int = 0) -> list[pdu.MessagePdu]:
        """Return the next deliver_sm, each answered with this status."""
        frames = self.receive(count, seconds)
        assert {command for command, _, _, _ in frames} <= {CommandId.DELIVER_SM}
        self.say(b"".join(pdu.deliver_sm_resp(sequence, status) for _, _, sequence, _ in frames))
        return [pdu.read_message(octets) for _, _, _, octets in frames]

    def query(self, message_id: str) -> tuple[int, pdu.Queried | None]:
        """Send query_sm; return the status and the result."""
        self.say(pdu.query_sm(self.next(), message_id))
        [(_, status, _, answer)] = self.receive()
        return status, pdu.read_query_resp(answer) if not status else None


@contextmanager
def esme(port: int, system_id: str = "alpha", command: CommandId = CommandId.BIND_TRANSCEIVER) -> Iterator[Esme]:
    """Connect and bind; yield the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        one = Esme(connection)
        if system_id:
            assert one.bind(system_id, command=command) == (0, "postroad")
        yield one


def receipted(letter: pdu.MessagePdu) -> str:
    """Return the receipted_message_id of a receipt."""
    return letter.tlvs[Tag.RECEIPTED_MESSAGE_ID].rstrip(b"\0").decode()
