"""Binary layout of the journal: pages, cells, answers, checksums.

A page holds one portion: its messages' ids by batch (runs), one cell per message, and a heap of answers.

- A cell that equals the page's random nonce proves that its message was not submitted. Anything else, zeros
  and a torn write included, proves nothing: the message's outcome is unknown.
- The page's own cell equals the nonce once the carrier has encoded all requests.
- An answer is a record with a checksum seeded with the nonce. The first record with a wrong checksum ends the
  heap: answers after it are lost, their outcomes unknown.
- The head's checksum covers the runs and the ids. A page with a wrong one is ignored.
"""

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from schema.vocabulary import Outcome

MAGIC: Final = b"PAGE"
#: magic, messages, runs, nonce; followed by the checksum of these and of runs and ids
HEAD: Final = struct.Struct("<4sIIQ")
CHECKSUM: Final = struct.Struct("<I")
#: batch, fence, attempt number, messages
RUN: Final = struct.Struct("<16sihI")
#: checksum, length of the text, index, outcome; followed by the text. Zeros are no answer
ANSWER: Final = struct.Struct("<IHHB")

#: a message's cell
CELL: Final = struct.Struct("<Q")
ID: Final = 16
#: average bytes of answers per message; answers beyond that are lost, their outcomes unknown
ANSWERS: Final = 320
#: separators of the fields of an answer's text, and of its parts' ids
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
    """Offsets in a page for `capacity` messages."""

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
    """Return the seed of an answer's checksum, which covers the message's index and the outcome too."""
    return (nonce ^ (place << 8 | number)) & 0xFFFFFFFF


def checksum(nonce: int, *pieces: bytes) -> int:
    """Return the checksum of these bytes in a page with this nonce."""
    found = nonce & 0xFFFFFFFF
    for piece in pieces:
        found = zlib.crc32(piece, found)
    return found
