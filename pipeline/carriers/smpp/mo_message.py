"""Parses a deliver_sm from a handset (MO): its text, and its position in a concatenated message."""

import re
from collections.abc import Sequence
from hashlib import blake2b

from pipeline.carriers.smpp import addresses
from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.pdu import MessagePdu
from pipeline.carriers.smpp.text_encoding import UDHI, Alphabet
from pipeline.rules.text import gsm7, text_codings
from pipeline.rules.text.text_codings import GSM7, OCTETS, UCS2
from schema.carriage import Inbound
from schema.value_class import value_class

#: codec by data_coding (5.2.19); missing ones use the default alphabet
CODECS = {
    1: "ascii",
    2: OCTETS,
    3: "latin-1",
    4: OCTETS,
    5: "shift_jis",
    6: "iso8859-5",
    7: "iso8859-8",
    8: UCS2,
    10: "iso2022_jp",
    13: "euc_jp",
    14: "euc_kr",
}
#: octets of a part that are stored for reassembly: one carries 140
_MOST_OCTETS = 4096
#: a user data header with only the concatenation element: five octets with an 8-bit reference, six with 16 bits
_OPENS_A_PART = re.compile(rb"\x05\x00\x03.[\x02-\xff][\x01-\xff]|\x06\x08\x04..[\x02-\xff][\x01-\xff]", re.DOTALL)
_PRINTABLE = re.compile(rb"[ -~]+")


@value_class
class PartPosition:
    """The position of a part in a concatenated message."""

    ref: int
    #: from 1
    part: int
    of: int


def read(carrier: str, message: MessagePdu, alphabet: Alphabet, home: str = "") -> Inbound:
    """Return an MO message; its key is a digest, as SMSCs give such messages no id (`mo_duplicates.py`).

    `alphabet` is the carrier's meaning of data_coding 0, `home` (ISO) where numbers without a country code are dialled.
    """
    header, text = opened(message)
    at = place(message)
    octets, coding = _octets(text, message.data_coding, alphabet, len(header))
    is_part = at is not None and len(octets) <= _MOST_OCTETS
    return Inbound(
        carrier=carrier,
        key=_digest(message),
        phone=addresses.phone(message.source_ton, message.source, home),
        sender=addresses.service(message.destination_ton, message.destination, home),
        body=text_codings.decode(octets, coding),
        at=None,
        part_ref=at.ref if at else None,
        part=at.part if at else None,
        of=at.of if at else None,
        octets=octets if is_part else None,
        coding=coding if is_part else None,
    )


def decode(text: bytes, data_coding: int, alphabet: Alphabet = Alphabet.GSM7, header: int = 0) -> str:
    """Return the text of these octets, after a header of `header` octets; U+FFFD replaces what cannot be decoded."""
    return text_codings.decode(*_octets(text, data_coding, alphabet, header))


def as_coded(text: bytes, data_coding: int, alphabet: Alphabet = Alphabet.GSM7, header: int = 0) -> str:
    """Return the text of these octets as `decode` does, without looking for a STOP in other codings."""
    return text_codings.as_coded(*_octets(text, data_coding, alphabet, header))


def _octets(text: bytes, data_coding: int, alphabet: Alphabet, header: int) -> tuple[bytes, str]:
    """Return the octets of a text, septets unpacked, and their coding."""
    coding = CODECS.get(_coding(data_coding))
    if coding is not None:
        return text, coding
    if alphabet is Alphabet.LATIN1 and _coding(data_coding) == 0:
        return text, "latin-1"
    return (_unpacked(text, header) if alphabet is Alphabet.GSM7_PACKED else text), GSM7


def place(message: MessagePdu) -> PartPosition | None:
    """Return the position of a part; None: it is not one."""
    header = opened(message)[0]
    return (place_by_header(header) if header else None) or (place_by_parameters(message) if message.tlvs else None)


def place_by_header(header: bytes) -> PartPosition | None:
    """Return the position in a user data header, length octet included (23.040, 9.2.3.24.1 and .8)."""
    at = 1
    while at + 2 <= len(header):
        element, length = header[at], header[at + 1]
        data = header[at + 2 : at + 2 + length]
        if (element, length, len(data)) in ((0x00, 3, 3), (0x08, 4, 4)):
            return _place(int.from_bytes(data[:-2], "big"), data[-1], data[-2])
        at += 2 + length
    return None


def place_by_parameters(message: MessagePdu) -> PartPosition | None:
    """Return the position in the sar_* TLVs."""
    tlvs = message.tlvs
    ref, of, part = (
        tlvs.get(tag, b"") for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    )
    if not (ref and of and part):
        return None
    return _place(int.from_bytes(ref[-2:], "big"), part[-1], of[-1])


def _place(ref: int, part: int, of: int) -> PartPosition | None:
    return PartPosition(ref, part, of) if of > 1 and 1 <= part <= of else None


def opened(message: MessagePdu) -> tuple[bytes, bytes]:
    """Return user data header and text; a header longer than its message is no header.

    esm_class alone is not trusted: what begins as a part's header is one, what reads as a text is none.
    """
    text = message.text
    is_said = message.esm_class & UDHI and text and 1 + text[0] <= len(text)
    if not is_said and not _OPENS_A_PART.match(text):
        return b"", text
    header, rest = text[: 1 + text[0]], text[1 + text[0] :]
    if is_said and len(header) > 1 and _PRINTABLE.fullmatch(header):
        return b"", text
    return (header, rest) if is_said or place_by_header(header) else (b"", text)


def _coding(data_coding: int) -> int:
    """Return the SMPP coding of the same alphabet for one of the coding groups of 23.038, 4."""
    group = data_coding & 0xF0
    if group == 0xF0:
        return 2 if data_coding & 4 else 0
    if group >= 0xC0:
        return 8 if group == 0xE0 else 0
    if 0x10 <= data_coding < 0x80:
        return (0, 2, 8, 0)[data_coding >> 2 & 3]
    return data_coding


def _unpacked(text: bytes, header: int) -> bytes:
    """Return the septets of a text after a header of `header` octets, one per octet."""
    fill = gsm7.fill_bits(header) if header else 0
    count = max((8 * len(text) - fill) // 7, 0)
    septets = gsm7.unpack(text, count, fill) if count else b""
    # a carriage return fills what would be seven spare bits (23.038, 6.1.2.3.1)
    return septets[:-1] if septets.endswith(b"\r") and (fill + 7 * count) % 8 == 0 else septets


def _digest(message: MessagePdu) -> str:
    fields: Sequence[bytes] = (
        f"{message.source_ton}/{message.source}".encode(),
        f"{message.destination_ton}/{message.destination}".encode(),
        bytes((message.data_coding,)),
        message.text,
        *(message.tlvs.get(tag, b"") for tag in (Tag.SAR_MSG_REF_NUM, Tag.SAR_SEGMENT_SEQNUM)),
    )
    digest = blake2b(digest_size=16)
    for field in fields:
        digest.update(len(field).to_bytes(4, "big") + field)
    return digest.hexdigest()
