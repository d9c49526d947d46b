"""Delivery receipts that come in parts, as those in UCS-2 may: joined as octets and read once all parts are there.

Each part is kept for itself too, as far as it says anything, so that none is lost with the process. Some SMSCs repeat
in a receipt which part of a message of ours it is about: what is a whole receipt by itself is read alone.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.mo_message import opened, place
from pipeline.carriers.smpp.pdu import MessagePdu
from pipeline.carriers.smpp.text_encoding import UDHI

#: receipts that may lack parts; of the oldest nothing more is waited for then
MOST: Final = 1000
_OF_PARTS = frozenset({Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM})

#: who says it to whom, under which reference, in how many parts
_Group = tuple[str, str, int, int]


class ReceiptParts:
    """The parts of receipts that came so far. Used by one thread at a time."""

    def __init__(self, is_whole: Callable[[MessagePdu], bool]) -> None:
        """Take what tells whether a part is a whole receipt by itself."""
        self._is_whole = is_whole
        self._groups: OrderedDict[_Group, dict[int, MessagePdu]] = OrderedDict()

    def join(self, message: MessagePdu) -> MessagePdu:
        """Return the whole receipt where this is the last of its parts; else the message as it is."""
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
    tlvs.pop(Tag.MESSAGE_PAYLOAD, None)  # each part's is its text
    octets = b"".join(opened(part)[1] for part in parts)
    return replace(parts[0], text=octets, tlvs=tlvs, esm_class=parts[0].esm_class & ~UDHI)
