"""Encodes a text for submit_sm: data_coding, octets, and the concatenation of a long message's parts.

Settings:

    alphabet   encoding of a GSM-7 body: `gsm7` (a septet an octet, the default), `gsm7_packed` (eight septets in
               seven octets), `latin1` (for an SMSC that converts Latin-1 itself)
    gsm7_data_coding, ucs2_data_coding
               data_coding of such bodies: 0 (of Latin-1: 3), and 8
    long       concatenation of a long message: `udh8` (a user data header with an 8-bit reference, the
               default), `udh16` (16-bit), `sar` (sar_* TLVs, which the SMSC converts to headers), `payload` (in
               one piece, which the SMSC splits)

There are as many parts as were counted (and billed), with two exceptions: `payload` is one piece, and a body that
GSM-7 can encode and Latin-1 cannot is sent in UCS-2. The reference is derived from the message's own, so it is the
same at every attempt. A 16-bit reference takes one octet more; where that would add a part, it has 8 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import pdu
from pipeline.carriers.smpp.codes import Tag
from pipeline.rules.text import gsm7
from pipeline.rules.text.segments import STANDARD, Capacity, split
from schema.carriage import Parcel
from schema.value_class import value_class
from schema.vocabulary import Encoding

#: esm_class: the text begins with a user data header
UDHI = 0x40
#: capacity of a part with a 16-bit reference: the header takes 7 of 140 octets
WIDE = Capacity(gsm7_part=152, ucs2_part=66)
#: the number of parts is one octet
MOST_PARTS = 255


class Alphabet(StrEnum):
    """The encoding of bodies in GSM-7."""

    #: one septet an octet; the SMSC packs them
    GSM7 = "gsm7"
    #: packed as over the air
    GSM7_PACKED = "gsm7_packed"
    #: ISO 8859-1; the SMSC converts it
    LATIN1 = "latin1"


class LongMessageMode(StrEnum):
    """The concatenation of a long message's parts."""

    #: information element 0x00: 8-bit reference
    UDH8 = "udh8"
    #: information element 0x08: 16-bit reference
    UDH16 = "udh16"
    #: sar_msg_ref_num, sar_total_segments, sar_segment_seqnum
    SAR = "sar"
    #: message_payload, in one submit_sm
    PAYLOAD = "payload"


@dataclass(frozen=True, slots=True)
class TextOptions:
    """One carrier's text settings."""

    alphabet: Alphabet = Alphabet.GSM7
    long: LongMessageMode = LongMessageMode.UDH8
    gsm7_data_coding: int = 0
    ucs2_data_coding: int = 8


@value_class
class EncodedPart:
    """The fields of one submit_sm that depend on the text: arguments of `pdu.message`."""

    text: bytes
    data_coding: int
    esm_class: int = 0
    tlvs: bytes = b""


def read(options: SettingReader) -> TextOptions:
    """Take one carrier's settings."""
    alphabet = options.choice("alphabet", Alphabet, Alphabet.GSM7)
    return TextOptions(
        alphabet=alphabet,
        long=options.choice("long", LongMessageMode, LongMessageMode.UDH8),
        gsm7_data_coding=options.whole("gsm7_data_coding", 3 if alphabet is Alphabet.LATIN1 else 0, 0, 255),
        ucs2_data_coding=options.whole("ucs2_data_coding", 8, 0, 255),
    )


def parts(style: TextOptions, parcel: Parcel) -> list[EncodedPart]:
    """Return the parts of a message, in order; ValueError where it cannot be encoded or has over 255."""
    body, encoding = parcel.body, parcel.encoding
    if encoding is Encoding.GSM7 and style.alphabet is Alphabet.LATIN1 and not _is_latin1(body):
        encoding = Encoding.UCS2
    coding = style.gsm7_data_coding if encoding is Encoding.GSM7 else style.ucs2_data_coding
    if parcel.segments == 1 and encoding is parcel.encoding:
        return [EncodedPart(_octets(style, encoding, body), coding)]
    pieces = _split(body, encoding, STANDARD)
    if len(pieces) == 1:
        return [EncodedPart(_octets(style, encoding, body), coding)]
    if style.long is LongMessageMode.PAYLOAD:
        return [EncodedPart(b"", coding, tlvs=pdu.tlv(Tag.MESSAGE_PAYLOAD, _octets(style, encoding, body)))]
    if len(pieces) > MOST_PARTS:
        raise ValueError(f"a message must have at most {MOST_PARTS} parts")
    if style.long is LongMessageMode.SAR:
        return _by_parameters(style, encoding, coding, pieces, parcel.ref)
    if style.long is LongMessageMode.UDH16:
        wide = _split(body, encoding, WIDE)
        if len(wide) == len(pieces):
            return _by_header(style, encoding, coding, wide, b"\x06\x08\x04%b" % _reference(parcel.ref))
    return _by_header(style, encoding, coding, pieces, b"\x05\x00\x03%b" % _reference(parcel.ref)[1:])


def _by_header(
    style: TextOptions, encoding: Encoding, coding: int, pieces: Sequence[str], opening: bytes
) -> list[EncodedPart]:
    total = len(pieces)
    header = [b"%b%c%c" % (opening, total, number) for number in range(1, total + 1)]
    fill = gsm7.fill_bits(len(header[0]))
    return [
        EncodedPart(head + _octets(style, encoding, piece, fill), coding, UDHI)
        for head, piece in zip(header, pieces, strict=True)
    ]


def _by_parameters(
    style: TextOptions, encoding: Encoding, coding: int, pieces: Sequence[str], ref: UUID
) -> list[EncodedPart]:
    whole = pdu.tlv(Tag.SAR_MSG_REF_NUM, _reference(ref)) + pdu.tlv(Tag.SAR_TOTAL_SEGMENTS, bytes((len(pieces),)))
    return [
        EncodedPart(
            _octets(style, encoding, piece), coding, tlvs=whole + pdu.tlv(Tag.SAR_SEGMENT_SEQNUM, bytes((number + 1,)))
        )
        for number, piece in enumerate(pieces)
    ]


def _reference(ref: UUID) -> bytes:
    """Return 16 bits of our reference: the last, as an order's messages are numbered in a row."""
    return ref.bytes[-2:]


def _octets(style: TextOptions, encoding: Encoding, text: str, fill: int = 0) -> bytes:
    if encoding is Encoding.UCS2:
        return text.encode("utf-16-be", "replace")
    if style.alphabet is Alphabet.LATIN1:
        return text.encode("latin-1")
    septets = gsm7.encode(text)
    if style.alphabet is Alphabet.GSM7:
        return septets
    # seven spare bits would be decoded as one more `@`; a carriage return is invisible (23.038, 6.1.2.3.1)
    return gsm7.pack(septets + b"\r" if (fill + 7 * len(septets)) % 8 == 1 else septets, fill)


def _split(body: str, encoding: Encoding, capacity: Capacity) -> list[str]:
    if encoding is Encoding.GSM7 or gsm7.septets(body) is None:
        return split(body, capacity)
    # a GSM-7 body that is sent in UCS-2: each character is one code unit
    part = capacity.ucs2_single if len(body) <= capacity.ucs2_single else capacity.ucs2_part
    return [body[start : start + part] for start in range(0, len(body), part)]


def _is_latin1(body: str) -> bool:
    return body.isascii() or max(body) <= "\xff"
