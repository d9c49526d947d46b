"""Splits one connection's byte stream into PDUs by command_length (SMPP 3.4, 3.2)."""

from struct import Struct
from typing import Final

#: command_id, command_status, sequence_number and the octets of the body
Frame = tuple[int, int, int, bytes]

#: the longest PDU accepted: a message_payload of 64 KiB, and the other fields
LONGEST: Final = 68 * 1024

_HEADER = Struct(">IIII")


class ProtocolFault(ValueError):
    """The stream is not SMPP from here on: close the connection. Holds the frames that precede the error."""

    def __init__(self, words: str, frames: list[Frame]) -> None:
        super().__init__(words)
        self.frames = frames


class Framer:
    """Splits a stream into frames, however it is chunked."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._rest = bytearray()
        #: octets that `_rest` must have before parsing can go on
        self._awaited = 0

    def feed(self, octets: bytes) -> list[Frame]:
        """Return the frames completed by these octets; ProtocolFault, at later calls too, for an invalid length."""
        if self._rest:
            self._rest += octets
            if len(self._rest) < self._awaited:
                return []
            octets = bytes(self._rest)
            self._rest.clear()
        frames: list[Frame] = []
        at, size, awaited = 0, len(octets), 16
        while size - at >= 16:
            length, command, status, sequence = _HEADER.unpack_from(octets, at)
            if not 16 <= length <= self._longest:
                self._keep(octets[at:], 16)
                raise ProtocolFault(f"a PDU cannot have {length} octets", frames)
            end = at + length
            if end > size:
                awaited = length
                break
            frames.append((command, status, sequence, octets[at + 16 : end]))
            at = end
        if at < size:
            self._keep(octets[at:], awaited)
        return frames

    def _keep(self, rest: bytes, awaited: int) -> None:
        self._rest += rest
        self._awaited = awaited
