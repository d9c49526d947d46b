"""The journal's bytes: how a page is laid out, and how it is read back without ever taking a damaged one at its word.

A page holds one portion: its messages' ids by batch (runs), one cell a message, and a heap of answers.

- A cell that holds exactly the page's random nonce proves that its message was not handed over. Anything else, zeros
  and a torn write among them, proves nothing: the message is in doubt.
- A cell of the whole page holds the nonce once the carrier has written all requests down.
- An answer is a record with a checksum that begins with the nonce. The first record that does not check ends the
  heap: what comes behind it is in doubt.
- The head's checksum covers the runs and the ids. A page whose head does not check says nothing of any message.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from schema.vocabulary import Outcome

MAGIC: Final = b"PAGE"
#: magic, messages, runs, nonce; then the checksum of these and of runs and ids
HEAD: Final = struct.Struct("<4sIIQ")
CHECKSUM: Final = struct.Struct("<I")
#: batch, fence, which attempt, messages
RUN: Final = struct.Struct("<16sihI")
#: checksum, length of the text, place, outcome; then the text. Zeros are no answer
ANSWER: Final = struct.Struct("<IHHB")

#: a message's cell
CELL: Final = struct.Struct("<Q")
ID: Final = 16
#: bytes of answers a message may have on average; what finds no room stays in doubt
ANSWERS: Final = 320
#: between the fields of an answer's text, and between the references of its parts
FIELDS, PARTS = "\x1f", "\x1e"

OUTCOMES: Final[Mapping[Outcome, int]] = {
    Outcome.ACCEPTED: 1,
    Outcome.REFUSED_PERMANENT: 2,
    Outcome.REFUSED_TRANSIENT: 3,
    Outcome.NOT_WRITTEN: 4,
    Outcome.UNKNOWN: 5,
}
BY_NUMBER: Final[Mapping[int, Outcome]] = {number: outcome for outcome, number in OUTCOMES.items()}


class Layout:
    """Where things lie in a page for so many messages."""

    __slots__ = ("capacity", "cells", "heap", "ids", "ready", "runs", "size")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.ready = HEAD.size + CHECKSUM.size
        self.runs = self.ready + CELL.size
        self.ids = self.runs + capacity * RUN.size
        self.cells = -(-(self.ids + capacity * ID) // CELL.size) * CELL.size
        self.heap = self.cells + capacity * CELL.size
        self.size = -(-(self.heap + capacity * ANSWERS) // 4096) * 4096


def seed(nonce: int, place: int, number: int) -> int:
    """Return what the checksum of an answer's text begins with: it covers the message's place and the outcome too."""
    return (nonce ^ (place << 8 | number)) & 0xFFFFFFFF


def checksum(nonce: int, *pieces: bytes) -> int:
    """Return the checksum of these bytes in a page with that nonce."""
    found = nonce & 0xFFFFFFFF
    for piece in pieces:
        found = zlib.crc32(piece, found)
    return found
