"""Encodes and decodes SMPP 3.4 PDUs, for either end.

A PDU is a header and a body. Bodies, which are slow to encode, are encoded in advance; `submit_sm(sequence, body)`
only adds the header when the sequence number is known. Decoding is lenient, as SMSCs deviate: unknown TLVs are kept,
what is truncated after the mandatory fields is ignored; ValueError says why a body cannot be decoded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from pipeline.carriers.smpp.codes import RESPONSE, VERSION, CommandId, Tag
from schema.value_class import value_class

#: the longest short_message; a longer text goes into the message_payload TLV
SHORT_MESSAGE: Final = 254

_HEADER = Struct(">IIII")
_TLV = Struct(">HH")
_ADDRESS = Struct("BB")
_KIND = Struct("BBB")
_CLOSING = Struct("BBBBB")
_NUL = b"\0"


@dataclass(frozen=True, slots=True)
class BindPdu:
    """A bind request (4.1); an outbind (4.1.7) has the first two fields."""

    system_id: str
    password: str = field(repr=False)
    system_type: str = ""
    interface_version: int = VERSION
    ton: int = 0
    npi: int = 0
    address_range: str = ""


@value_class
class MessagePdu:
    """A submit_sm (4.4.1), deliver_sm (4.6.1) or data_sm (4.7.1)."""

    source_ton: int
    source_npi: int
    source: str = field(repr=False)
    destination_ton: int
    destination_npi: int
    destination: str = field(repr=False)
    esm_class: int
    registered_delivery: int
    data_coding: int
    #: short_message, or if it is empty message_payload, user data header included
    text: bytes = field(repr=False)
    #: by tag; see `Tag`
    tlvs: Mapping[int, bytes] = field(repr=False)
    service_type: str = ""
    protocol_id: int = 0
    priority: int = 0
    #: schedule_delivery_time, unparsed
    schedule: str = ""
    #: validity_period, unparsed
    validity: str = ""


@dataclass(frozen=True, slots=True)
class Queried:
    """A query_sm_resp (4.8.2)."""

    message_id: str
    #: final_date, unparsed; empty: not final
    final_date: str
    #: see `MessageState`
    state: int
    #: the network's error code
    error: int


# Encoding


def pdu(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """Return any PDU."""
    return _HEADER.pack(16 + len(body), command, status, sequence) + body


def submit_sm(sequence: int, body: bytes) -> bytes:
    """Return a submit_sm with a body from `message`."""
    return _HEADER.pack(16 + len(body), 0x00000004, 0, sequence) + body


def deliver_sm(sequence: int, body: bytes) -> bytes:
    """Return a deliver_sm with a body from `message`."""
    return _HEADER.pack(16 + len(body), 0x00000005, 0, sequence) + body


def submit_sm_resp(sequence: int, message_id: str, status: int = 0) -> bytes:
    """Return a submit_sm_resp; one with an error status has no body."""
    body = b"" if status else c_octets("message_id", message_id, 65)
    return pdu(CommandId.SUBMIT_SM_RESP, sequence, body, status)


def deliver_sm_resp(sequence: int, status: int = 0) -> bytes:
    """Return a deliver_sm_resp; its message_id is unused and empty."""
    return pdu(CommandId.DELIVER_SM_RESP, sequence, _NUL, status)


def data_sm_resp(sequence: int, message_id: str = "", status: int = 0) -> bytes:
    """Return a data_sm_resp."""
    return pdu(CommandId.DATA_SM_RESP, sequence, c_octets("message_id", message_id, 65), status)


def enquire_link(sequence: int) -> bytes:
    """Return an enquire_link."""
    return pdu(CommandId.ENQUIRE_LINK, sequence)


def enquire_link_resp(sequence: int) -> bytes:
    """Return an enquire_link_resp."""
    return pdu(CommandId.ENQUIRE_LINK_RESP, sequence)


def unbind(sequence: int) -> bytes:
    """Return an unbind."""
    return pdu(CommandId.UNBIND, sequence)


def unbind_resp(sequence: int, status: int = 0) -> bytes:
    """Return an unbind_resp."""
    return pdu(CommandId.UNBIND_RESP, sequence, status=status)


def generic_nack(sequence: int, status: int) -> bytes:
    """Return a generic_nack."""
    return pdu(CommandId.GENERIC_NACK, sequence, status=status)


#: maximum characters of a bind's fields in SMPP 3.4 (4.1.1)
BIND_FIELDS: Final = {"system_id": 15, "password": 8, "system_type": 12, "address_range": 40}
#: maximum that we encode: operators assign longer ones
LONGEST_FIELD: Final = 255


def bind(command: int, sequence: int, who: BindPdu) -> bytes:
    """Return a bind_transceiver, bind_transmitter or bind_receiver; ValueError names an invalid field.

    Fields may be longer than the specification allows, and not ASCII: the SMSC's operator assigns them.
    """
    body = (
        foreign("system_id", who.system_id)
        + foreign("password", who.password)
        + foreign("system_type", who.system_type)
        + octet("interface_version", who.interface_version)
        + octet("address_range_ton", who.ton)
        + octet("address_range_npi", who.npi)
        + foreign("address_range", who.address_range)
    )
    return pdu(command, sequence, body)


def bind_resp(command: int, sequence: int, system_id: str, status: int = 0, version: int | None = VERSION) -> bytes:
    """Return the response to a bind of this command; one with an error status has no body."""
    body = b"" if status else c_octets("system_id", system_id, 16)
    if body and version is not None:
        body += tlv(Tag.SC_INTERFACE_VERSION, octet("sc_interface_version", version))
    return pdu(command | RESPONSE, sequence, body, status)


def outbind(sequence: int, system_id: str, password: str) -> bytes:
    """Return an outbind."""
    body = c_octets("system_id", system_id, 16) + c_octets("password", password, 9)
    return pdu(CommandId.OUTBIND, sequence, body)


def query_sm(sequence: int, message_id: str, source: bytes = b"\0\0\0") -> bytes:
    """Return a query_sm; the source is the `address` that was submitted."""
    return pdu(CommandId.QUERY_SM, sequence, c_octets("message_id", message_id, 65) + source)


def query_sm_resp(sequence: int, answer: Queried, status: int = 0) -> bytes:
    """Return a query_sm_resp."""
    body = (
        c_octets("message_id", answer.message_id, 65)
        + c_octets("final_date", answer.final_date, 17)
        + octet("message_state", answer.state)
        + octet("error_code", answer.error)
    )
    return pdu(CommandId.QUERY_SM_RESP, sequence, body, status)


def message(
    source: bytes,
    destination: bytes,
    text: bytes,
    *,
    esm_class: int = 0,
    data_coding: int = 0,
    registered_delivery: int = 0,
    validity: bytes = _NUL,
    schedule: bytes = _NUL,
    service_type: bytes = _NUL,
    protocol_id: int = 0,
    priority: int = 0,
    tlvs: bytes = b"",
) -> bytes:
    """Return the body of a submit_sm or deliver_sm; its parts are encoded by `address`, `c_octets` and `tlv`."""
    if len(text) > SHORT_MESSAGE:
        raise ValueError(f"short_message must have at most {SHORT_MESSAGE} octets")
    return b"".join(
        (
            service_type,
            source,
            destination,
            _KIND.pack(esm_class, protocol_id, priority),
            schedule,
            validity,
            _CLOSING.pack(registered_delivery, 0, data_coding, 0, len(text)),
            text,
            tlvs,
        )
    )


def address(name: str, ton: int, npi: int, digits: str, size: int = 21) -> bytes:
    """Return an encoded TON, NPI and address; ValueError names the field if it is invalid."""
    if not (0 <= ton <= 255 and 0 <= npi <= 255):
        octet(f"{name}_ton", ton), octet(f"{name}_npi", npi)
    return bytes((ton, npi)) + c_octets(name, digits, size)


def c_octets(name: str, text: str, size: int) -> bytes:
    """Return the text and its NUL, at most `size` octets; ValueError names a field that is longer or not ASCII."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"{name} must be printable ASCII")
    if len(text) >= size:
        raise ValueError(f"{name} must have at most {size - 1} characters")
    return text.encode() + _NUL


def foreign(name: str, text: str) -> bytes:
    """Return a C-octet string assigned by the SMSC's operator; ValueError where it cannot be encoded."""
    try:
        octets = text.encode("latin-1")
    except UnicodeEncodeError:
        raise ValueError(f"{name} must be of ISO 8859-1") from None
    if not text.isprintable():
        raise ValueError(f"{name} must be printable")
    if len(octets) > LONGEST_FIELD:
        raise ValueError(f"{name} must have at most {LONGEST_FIELD} characters")
    return octets + _NUL


def octet(name: str, value: int) -> bytes:
    """Return the number as one octet; ValueError names a field out of range."""
    if not 0 <= value <= 255:
        raise ValueError(f"{name} must be from 0 to 255")
    return bytes((value,))


def tlv(tag: int, value: bytes) -> bytes:
    """Return one TLV; ValueError where its value is too long."""
    if len(value) > 0xFFFF:
        raise ValueError(f"parameter 0x{tag:04x} must have at most 65535 octets")
    return _TLV.pack(tag, len(value)) + value


# Decoding


def read_message(body: bytes, *, strict: bool = True) -> MessagePdu:
    """Return the submit_sm or deliver_sm in a body; ValueError where its mandatory fields are incomplete.

    Not strict: a text shorter than its sm_length is accepted.
    """
    try:
        source = body.index(0) + 1
        destination = body.index(0, source + 2) + 1
        kind = body.index(0, destination + 2) + 1
        schedule = kind + 3
        validity = body.index(0, schedule) + 1
        closing = body.index(0, validity) + 1
        begin = closing + 5
        end = begin + body[begin - 1]
    except (ValueError, IndexError):
        raise ValueError("the message ends within its mandatory fields") from None
    if strict and end > len(body):
        raise ValueError("sm_length is more than what follows")
    tlvs = read_tlvs(body, end) if end < len(body) else {}
    text = body[begin:end] if end > begin else tlvs.get(0x0424, b"")
    return MessagePdu(
        body[source],
        body[source + 1],
        body[source + 2 : destination - 1].decode("latin-1"),
        body[destination],
        body[destination + 1],
        body[destination + 2 : kind - 1].decode("latin-1"),
        body[kind],
        body[closing],
        body[closing + 2],
        text,
        tlvs,
        "" if source == 1 else body[: source - 1].decode("latin-1"),
        body[kind + 1],
        body[kind + 2],
        "" if validity == schedule + 1 else body[schedule : validity - 1].decode("latin-1"),
        "" if closing == validity + 1 else body[validity : closing - 1].decode("latin-1"),
    )


def read_data_sm(body: bytes) -> MessagePdu:
    """Return the data_sm in a body; ValueError where its mandatory fields are incomplete."""
    try:
        source = body.index(0) + 1
        destination = body.index(0, source + 2) + 1
        kind = body.index(0, destination + 2) + 1
        esm_class, registered_delivery, data_coding = body[kind : kind + 3]
    except ValueError:
        raise ValueError("the message ends within its mandatory fields") from None
    tlvs = read_tlvs(body, kind + 3)
    return MessagePdu(
        source_ton=body[source],
        source_npi=body[source + 1],
        source=body[source + 2 : destination - 1].decode("latin-1"),
        destination_ton=body[destination],
        destination_npi=body[destination + 1],
        destination=body[destination + 2 : kind - 1].decode("latin-1"),
        esm_class=esm_class,
        registered_delivery=registered_delivery,
        data_coding=data_coding,
        text=tlvs.get(Tag.MESSAGE_PAYLOAD, b""),
        tlvs=tlvs,
        service_type=body[: source - 1].decode("latin-1"),
    )


def read_submit_resp(body: bytes) -> str:
    """Return the message id of a submit_sm_resp (or data_sm_resp); "" where there is none."""
    return body.partition(_NUL)[0].decode("latin-1")


def read_bind_resp(body: bytes) -> tuple[str, int | None]:
    """Return system id and interface version of a bind_resp; leniently: "" and None where they are missing."""
    system_id, _, rest = body.partition(_NUL)
    version = read_tlvs(rest).get(Tag.SC_INTERFACE_VERSION)
    return system_id.decode("latin-1"), version[0] if version else None


def read_bind(body: bytes) -> BindPdu:
    """Return a bind request; ValueError where the body is incomplete."""
    system_id, at = _c_string(body, 0)
    password, at = _c_string(body, at)
    system_type, at = _c_string(body, at)
    if len(body) < at + 3:
        raise ValueError("the bind ends within its mandatory fields")
    address_range = body[at + 3 :].partition(_NUL)[0].decode("latin-1")
    return BindPdu(system_id, password, system_type, body[at], body[at + 1], body[at + 2], address_range)


def read_outbind(body: bytes) -> BindPdu:
    """Return an outbind; ValueError where the body is incomplete."""
    system_id, at = _c_string(body, 0)
    return BindPdu(system_id, body[at:].partition(_NUL)[0].decode("latin-1"))


def read_query(body: bytes) -> tuple[str, str]:
    """Return message id and source address of a query_sm; ValueError where it is incomplete."""
    message_id, at = _c_string(body, 0)
    return message_id, body[at + 2 :].partition(_NUL)[0].decode("latin-1")


def read_query_resp(body: bytes) -> Queried:
    """Return a query_sm_resp; ValueError where the body is incomplete."""
    message_id, at = _c_string(body, 0)
    final_date, at = _c_string(body, at)
    if at == len(body):
        raise ValueError("the response ends before message_state")
    return Queried(message_id, final_date, body[at], body[at + 1] if at + 1 < len(body) else 0)


def read_tlvs(body: bytes, at: int = 0) -> dict[int, bytes]:
    """Return the TLVs from this octet on; the first of duplicates, and none that is truncated."""
    tlvs: dict[int, bytes] = {}
    size = len(body)
    while at + 4 <= size:
        tag, length = _TLV.unpack_from(body, at)
        at += 4 + length
        if at > size:
            break
        tlvs.setdefault(tag, body[at - length : at])
    return tlvs


def _c_string(body: bytes, at: int) -> tuple[str, int]:
    """Return the C-octet string at an offset and the offset of the next field."""
    end = body.find(0, at)
    if end < 0:
        raise ValueError("the body ends within its mandatory fields")
    return body[at:end].decode("latin-1"), end + 1
