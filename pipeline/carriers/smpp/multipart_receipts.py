"""Reassembles multipart delivery receipts, as those in UCS-2 may be: joins octets, parses once all parts are there.

Each part is also stored by itself as far as it is readable, so that none is lost with the process. Some SMSCs repeat
in a receipt which part of our message it is for: a receipt that is complete by itself is parsed alone.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.mo_message import opened, place
from pipeline.carriers.smpp.pdu import MessagePdu
from pipeline.carriers.smpp.text_encoding import UDHI

#: incomplete receipts kept; beyond it the oldest are discarded
MOST: Final = 1000
_OF_PARTS = frozenset({Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM})

#: source, destination, reference, number of parts
_Group = tuple[str, str, int, int]


class ReceiptParts:
    """The parts of receipts received so far. Used by one thread at a time."""

    def __init__(self, is_whole: Callable[[MessagePdu], bool]) -> None:
        """Take the predicate that tells whether a part is a complete receipt."""
        self._is_whole = is_whole
        self._groups: OrderedDict[_Group, dict[int, MessagePdu]] = OrderedDict()

    def join(self, message: MessagePdu) -> MessagePdu:
        """Return the whole receipt where this is its last missing part; else the message unchanged."""
        at = place(message)
        if at is None:
            return message
        group = message.source, message.destination, at.ref, at.of
        parts = self._groups.setdefault(group, {})
        parts[at.part] = message
        if len(parts) < at.of:
            if len(self._groups) > MOST:
                self._groups.popitem(last=False)
            return message
        del self._groups[group]
        return message if self._is_whole(message) else _whole([parts[number] for number in sorted(parts)])


def _whole(parts: list[MessagePdu]) -> MessagePdu:
    tlvs = {tag: value for part in reversed(parts) for tag, value in part.tlvs.items() if tag not in _OF_PARTS}
    tlvs.pop(Tag.MESSAGE_PAYLOAD, None)  # it has only this part's text
    octets = b"".join(opened(part)[1] for part in parts)
    return replace(parts[0], text=octets, tlvs=tlvs, esm_class=parts[0].esm_class & ~UDHI)
