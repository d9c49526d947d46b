"""A deliver_sm that a handset wrote: its text, and which part of a longer one it is."""

import re
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b

from pipeline.carriers.smpp import addresses
from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.pdu import Message
from pipeline.carriers.smpp.texts import UDHI, Alphabet
from pipeline.rules import gsm7
from schema.carriage import Inbound

#: the same words of the same writer within so many seconds are one message that came again
SAME_SECONDS = 300
#: data_coding (5.2.19) by codec; what is missing here is the default alphabet, or octets that are no text
CODECS = {
    1: "ascii",
    3: "latin-1",
    5: "shift_jis",
    6: "iso8859-5",
    7: "iso8859-8",
    8: "utf-16-be",
    10: "iso2022_jp",
    13: "euc_jp",
    14: "euc_kr",
}
#: data_coding that says octets: shown as far as they are Latin-1
_OCTETS = frozenset({2, 4})
_REPLACEMENT = "\ufffd"
_NO_SEPTET = re.compile(rb"[\x80-\xff]")


@dataclass(frozen=True, slots=True)
class Place:
    """Which part of a longer message this is."""

    ref: int
    #: from 1
    part: int
    of: int


def read(carrier: str, message: Message, alphabet: Alphabet, now: datetime) -> Inbound:
    """Return what a handset wrote; `alphabet` is what the carrier's data_coding 0 means."""
    header, text = _header(message)
    place = place_by_header(header) or place_by_parameters(message)
    return Inbound(
        carrier=carrier,
        key=_key(message, now),
        phone=addresses.phone(message.source_ton, message.source),
        sender=addresses.service(message.destination_ton, message.destination),
        body=decode(text, message.data_coding, alphabet, len(header)),
        at=None,
        part_ref=place.ref if place else None,
        part=place.part if place else None,
        of=place.of if place else None,
    )


def decode(text: bytes, data_coding: int, alphabet: Alphabet = Alphabet.GSM7, header: int = 0) -> str:
    """Return the text in these octets, which follow a header of so many; U+FFFD stands for what cannot be read."""
    coding = _coding(data_coding)
    if coding in CODECS or coding in _OCTETS or (alphabet is Alphabet.LATIN1 and coding == 0):
        body = text.decode(CODECS.get(coding, "latin-1"), "replace")
    elif alphabet is Alphabet.GSM7_PACKED:
        body = _unpacked(text, header)
    else:
        body = _septets(text)
    # no database keeps it
    return body.replace("\0", _REPLACEMENT)


def place_by_header(header: bytes) -> Place | None:
    """Return what a user data header, length octet and all, says of parts (23.040, 9.2.3.24.1 and .8)."""
    at = 1
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        data = header[at + 2 : at + 2 + length]
        if (element, length, len(data)) in ((0x00, 3, 3), (0x08, 4, 4)):
            return _place(int.from_bytes(data[:-2], "big"), data[-1], data[-2])
        at += 2 + length
    return None


def place_by_parameters(message: Message) -> Place | None:
    """Return what sar_* parameters say of parts."""
    tlvs = message.tlvs
    ref, of, part = (
        tlvs.get(tag, b"") for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    )
    if not (ref and of and part):
        return None
    return _place(int.from_bytes(ref[-2:], "big"), part[-1], of[-1])


def _place(ref: int, part: int, of: int) -> Place | None:
    return Place(ref, part, of) if of > 1 and 1 <= part <= of else None


def _header(message: Message) -> tuple[bytes, bytes]:
    """Return user data header and text; a header that is longer than its message is none."""
    text = message.text
    if not (message.esm_class & UDHI and text) or 1 + text[0] > len(text):
        return b"", text
    return text[: 1 + text[0]], text[1 + text[0] :]


def _coding(data_coding: int) -> int:
    """Return the SMPP coding of the same alphabet for one of the groups of 23.038, 4."""
    if data_coding & 0xF0 == 0x10:
        return (0, 2, 8, 0)[data_coding >> 2 & 3]
    if data_coding & 0xF0 == 0xF0:
        return 2 if data_coding & 4 else 0
    return 8 if data_coding & 0xF0 == 0xE0 else data_coding


def _septets(text: bytes) -> str:
    if text.isascii():
        return gsm7.decode(text)
    return _REPLACEMENT.join(gsm7.decode(piece) for piece in _NO_SEPTET.split(text))


def _unpacked(text: bytes, header: int) -> str:
    fill = gsm7.fill_bits(header) if header else 0
    count = max((8 * len(text) - fill) // 7, 0)
    septets = gsm7.unpack(text, count, fill) if count else b""
    # a carriage return in what would else be seven spare bits (23.038, 6.1.2.3.1)
    if septets.endswith(b"\r") and (fill + 7 * count) % 8 == 0:
        septets = septets[:-1]
    return gsm7.decode(septets)


def _key(message: Message, now: datetime) -> str:
    """Return a digest: SMSCs give such messages no id. The same again after `SAME_SECONDS` is another message."""
    digest = blake2b(digest_size=16)
    fields = (message.source.encode(), message.destination.encode(), bytes((message.data_coding,)), message.text)
    sar = [message.tlvs.get(tag, b"") for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_SEGMENT_SEQNUM)]
    for field in (*fields, *sar):
        digest.update(len(field).to_bytes(4, "big") + field)
    return f"{digest.hexdigest()}/{int(now.timestamp()) // SAME_SECONDS}"
