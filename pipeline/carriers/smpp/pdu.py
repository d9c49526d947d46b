"""SMPP 3.4 PDUs, written and read at either end: octets in, octets out.

A PDU is a header and a body. What is slow to write, a body, is written ahead; `submit_sm(sequence, body)` then only
joins, when the sequence number is known. Bodies are read leniently, as SMSCs write them: unknown TLVs are kept, what
is cut off behind the mandatory fields is passed over; ValueError says what cannot be read at all.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from pipeline.carriers.smpp.codes import RESPONSE, VERSION, CommandId, Tag
from schema.value_class import value_class

#: the longest text that short_message holds; a longer one goes into the message_payload TLV
SHORT_MESSAGE: Final = 254

_HEADER = Struct(">IIII")
_TLV = Struct(">HH")
_ADDRESS = Struct("BB")
_KIND = Struct("BBB")
_CLOSING = Struct("BBBBB")
_NUL = b"\0"


@dataclass(frozen=True, slots=True)
class BindPdu:
    """Who asks to be bound (4.1), and of an outbind (4.1.7) the first two."""

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
    #: short_message, or where it is empty message_payload, user data header and all
    text: bytes = field(repr=False)
    #: by tag; see `Tag`
    tlvs: Mapping[int, bytes] = field(repr=False)
    service_type: str = ""
    protocol_id: int = 0
    priority: int = 0
    #: schedule_delivery_time as it came
    schedule: str = ""
    #: validity_period as it came
    validity: str = ""


@dataclass(frozen=True, slots=True)
class Queried:
    """What a query_sm_resp says of one message (4.8.2)."""

    message_id: str
    #: final_date as it came; empty: it is still on its way
    final_date: str
    #: see `MessageState`
    state: int
    #: the network's code
    error: int


# Writing.


def pdu(command: int, sequence: int, body: bytes = b"", status: int = 0) -> bytes:
    """Return any PDU."""
    return _HEADER.pack(16 + len(body), command, status, sequence) + body


def submit_sm(sequence: int, body: bytes) -> bytes:
    """Return a submit_sm with a body of `message`."""
    return _HEADER.pack(16 + len(body), 0x00000004, 0, sequence) + body


def deliver_sm(sequence: int, body: bytes) -> bytes:
    """Return a deliver_sm with a body of `message`."""
    return _HEADER.pack(16 + len(body), 0x00000005, 0, sequence) + body


def submit_sm_resp(sequence: int, message_id: str, status: int = 0) -> bytes:
    """Return the answer to a submit_sm; one that refuses has no body."""
    body = b"" if status else c_octets("message_id", message_id, 65)
    return pdu(CommandId.SUBMIT_SM_RESP, sequence, body, status)


def deliver_sm_resp(sequence: int, status: int = 0) -> bytes:
    """Return the answer to a deliver_sm; its message_id is unused and empty."""
    return pdu(CommandId.DELIVER_SM_RESP, sequence, _NUL, status)


def data_sm_resp(sequence: int, message_id: str = "", status: int = 0) -> bytes:
    """Return the answer to a data_sm."""
    return pdu(CommandId.DATA_SM_RESP, sequence, c_octets("message_id", message_id, 65), status)


def enquire_link(sequence: int) -> bytes:
    """Return the question whether the other end lives."""
    return pdu(CommandId.ENQUIRE_LINK, sequence)


def enquire_link_resp(sequence: int) -> bytes:
    """Return the answer that we live."""
    return pdu(CommandId.ENQUIRE_LINK_RESP, sequence)


def unbind(sequence: int) -> bytes:
    """Return the goodbye."""
    return pdu(CommandId.UNBIND, sequence)


def unbind_resp(sequence: int, status: int = 0) -> bytes:
    """Return the answer to a goodbye."""
    return pdu(CommandId.UNBIND_RESP, sequence, status=status)


def generic_nack(sequence: int, status: int) -> bytes:
    """Return the answer to what is no PDU of ours."""
    return pdu(CommandId.GENERIC_NACK, sequence, status=status)


#: characters that SMPP 3.4 allows in each field of a bind (4.1.1)
BIND_FIELDS: Final = {"system_id": 15, "password": 8, "system_type": 12, "address_range": 40}
#: and those that are written: operators hand out longer ones
LONGEST_FIELD: Final = 255


def bind(command: int, sequence: int, who: BindPdu) -> bytes:
    """Return a bind_transceiver, bind_transmitter or bind_receiver; ValueError names a field that does not fit.

    Fields may be longer than the specification allows, and beyond ASCII: the SMSC's operator says what they are.
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
    """Return the answer to the bind of that command; one that refuses has no body."""
    body = b"" if status else c_octets("system_id", system_id, 16)
    if body and version is not None:
        body += tlv(Tag.SC_INTERFACE_VERSION, octet("sc_interface_version", version))
    return pdu(command | RESPONSE, sequence, body, status)


def outbind(sequence: int, system_id: str, password: str) -> bytes:
    """Return the SMSC's wish to be bound to."""
    body = c_octets("system_id", system_id, 16) + c_octets("password", password, 9)
    return pdu(CommandId.OUTBIND, sequence, body)


def query_sm(sequence: int, message_id: str, source: bytes = b"\0\0\0") -> bytes:
    """Return the question about one message; the source is `address` as it was submitted."""
    return pdu(CommandId.QUERY_SM, sequence, c_octets("message_id", message_id, 65) + source)


def query_sm_resp(sequence: int, answer: Queried, status: int = 0) -> bytes:
    """Return the answer to a query_sm."""
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
    """Return the body of a submit_sm or deliver_sm, put together of parts that `address`, `c_octets`, `tlv` wrote."""
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
    """Return type of number, numbering plan and the address; ValueError names the field if it does not fit."""
    if not (0 <= ton <= 255 and 0 <= npi <= 255):
        octet(f"{name}_ton", ton), octet(f"{name}_npi", npi)
    return bytes((ton, npi)) + c_octets(name, digits, size)


def c_octets(name: str, text: str, size: int) -> bytes:
    """Return the text and its NUL, at most `size` octets; ValueError names the field that is longer or not ASCII."""
    if not (text.isascii() and text.isprintable()):
        raise ValueError(f"{name} must be printable ASCII")
    if len(text) >= size:
        raise ValueError(f"{name} must have at most {size - 1} characters")
    return text.encode() + _NUL


def foreign(name: str, text: str) -> bytes:
    """Return a C-octet string that the SMSC's operator dictates; ValueError where no octets could be it."""
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
    """Return the number as one octet; ValueError names the field that is none."""
    if not 0 <= value <= 255:
        raise ValueError(f"{name} must be from 0 to 255")
    return bytes((value,))


def tlv(tag: int, value: bytes) -> bytes:
    """Return one optional parameter; ValueError where its value is too long."""
    if len(value) > 0xFFFF:
        raise ValueError(f"parameter 0x{tag:04x} must have at most 65535 octets")
    return _TLV.pack(tag, len(value)) + value


# Reading.


def read_message(body: bytes, *, strict: bool = True) -> MessagePdu:
    """Return the submit_sm or deliver_sm in a body; ValueError where its mandatory fields are not whole.

    Not strict: a text that is shorter than its sm_length is taken as it is.
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
    """Return the data_sm in a body; ValueError where its mandatory fields are not whole."""
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
    """Return the message id in a submit_sm_resp (or data_sm_resp); empty where there is none."""
    return body.partition(_NUL)[0].decode("latin-1")


def read_bind_resp(body: bytes) -> tuple[str, int | None]:
    """Return the system id and the interface version of who took our bind; leniently: "" and None."""
    system_id, _, rest = body.partition(_NUL)
    version = read_tlvs(rest).get(Tag.SC_INTERFACE_VERSION)
    return system_id.decode("latin-1"), version[0] if version else None


def read_bind(body: bytes) -> BindPdu:
    """Return who asks to be bound; ValueError where the body is not whole."""
    system_id, at = _c_string(body, 0)
    password, at = _c_string(body, at)
    system_type, at = _c_string(body, at)
    if len(body) < at + 3:
        raise ValueError("the bind ends within its mandatory fields")
    address_range = body[at + 3 :].partition(_NUL)[0].decode("latin-1")
    return BindPdu(system_id, password, system_type, body[at], body[at + 1], body[at + 2], address_range)


def read_outbind(body: bytes) -> BindPdu:
    """Return which SMSC asks to be bound to; ValueError where the body is not whole."""
    system_id, at = _c_string(body, 0)
    return BindPdu(system_id, body[at:].partition(_NUL)[0].decode("latin-1"))


def read_query(body: bytes) -> tuple[str, str]:
    """Return the message id and the source address that a query_sm asks about; ValueError where it is not whole."""
    message_id, at = _c_string(body, 0)
    return message_id, body[at + 2 :].partition(_NUL)[0].decode("latin-1")


def read_query_resp(body: bytes) -> Queried:
    """Return what became of a message; ValueError where the body is not whole."""
    message_id, at = _c_string(body, 0)
    final_date, at = _c_string(body, at)
    if at == len(body):
        raise ValueError("the answer ends before message_state")
    return Queried(message_id, final_date, body[at], body[at + 1] if at + 1 < len(body) else 0)


def read_tlvs(body: bytes, at: int = 0) -> dict[int, bytes]:
    """Return the optional parameters from that octet on; of two alike the first, and none that is cut off."""
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
    """Return the C-octet string there and where the next field begins."""
    end = body.find(0, at)
    if end < 0:
        raise ValueError("the body ends within its mandatory fields")
    return body[at:end].decode("latin-1"), end + 1
