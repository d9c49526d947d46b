"""How one connection's stream is cut into PDUs (SMPP 3.4, 3.2)."""

from struct import Struct
from typing import Final

#: command_id, command_status, sequence_number and the octets of the body
Frame = tuple[int, int, int, bytes]

#: the longest PDU that we read: a message_payload of 64 KiB, and what goes with it
LONGEST: Final = 68 * 1024

_HEADER = Struct(">IIII")


class ProtocolFault(ValueError):
    """The stream cannot be followed any further: close it. Holds the frames that were whole before."""

    def __init__(self, words: str, frames: list[Frame]) -> None:
        super().__init__(words)
        self.frames = frames


class Framer:
    """Cuts a stream into frames, however it is chunked."""

    def __init__(self, longest: int = LONGEST) -> None:
        self._longest = longest
        self._rest = bytearray()
        #: how many octets `_rest` must have before there is anything to do
        self._awaited = 0

    def feed(self, octets: bytes) -> list[Frame]:
        """Return the frames that these octets complete; ProtocolFault, from then on, where a length is none."""
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
