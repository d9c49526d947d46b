"""Encodes a message as the bodies of its submit_sm PDUs, by one carrier's options.

Settings besides those of `text_encoding` and `addresses`:

    registered_delivery     which receipts are requested: `all` (the default), `failures`, `last` (of a long message the
                            last part's), `none`
    validity                format of `valid_until`: `relative` (the default), `absolute`, `none`
    service_type            ""
    empty_source            false: whether source_addr is left empty, so that the SMSC inserts its own
    user_message_reference  true: 16 bits of our reference are sent, the same at every attempt
    reference_tag           (of `deliver_sm`) our whole reference is sent in this TLV too, as text
    tlvs                    {"0x1400": "…"}: TLVs sent with each message, in ASCII; "0x…": octets
    tlvs_by_sender          {sender: {tag: value}}: TLVs of one sender, in addition or instead
"""

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import addresses, pdu, smpp_times, text_encoding
from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.smpp_times import Validity
from pipeline.carriers.smpp.text_encoding import TextOptions
from schema.carriage import Parcel

#: maximum characters of service_type in SMPP 3.4 (5.2.11)
SERVICE_TYPE: Final = 5
_REFERENCE: Final = pdu.tlv(Tag.USER_MESSAGE_REFERENCE, bytes(2))[:4]
_TAG = re.compile(r"0x[0-9A-Fa-f]{4}")
_HEX = re.compile(r"0x((?:[0-9A-Fa-f]{2})+)")


class RegisteredDelivery(StrEnum):
    """Which receipts are requested."""

    ALL = "all"
    FAILURES = "failures"
    #: of a long message the last part's only
    LAST = "last"
    NONE = "none"


#: registered_delivery (5.2.17) of the parts before the last, and of the last
ASKED: Final = {
    RegisteredDelivery.ALL: (1, 1),
    RegisteredDelivery.FAILURES: (2, 2),
    RegisteredDelivery.LAST: (0, 1),
    RegisteredDelivery.NONE: (0, 0),
}


class SubmitWriter:
    """Encodes messages for one carrier."""

    def __init__(self, options: SettingReader, style: TextOptions, reference_tag: int = 0) -> None:
        self._style = style
        #: the SMSC's TLV for our whole reference; 0: none
        self._reference_tag = reference_tag
        self._plan = addresses.read(options)
        self._empty_source = options.flag("empty_source")
        self._registered = ASKED[options.choice("registered_delivery", RegisteredDelivery, RegisteredDelivery.ALL)]
        self._validity = options.choice("validity", Validity, Validity.RELATIVE)
        self._numbered = options.flag("user_message_reference", True)
        self._service_type = _service_type(options)
        usual = _tags(options, "tlvs", options.mapping("tlvs"))
        by_sender = options.mapping("tlvs_by_sender")
        self._tlvs = _joined(usual)
        self._tlvs_by_sender = {
            sender: _joined(usual | _tags(options, "tlvs_by_sender", given)) for sender, given in by_sender.items()
        }
        #: the last validity_period, with its inputs: most messages of a call have the same
        self._reported: tuple[datetime | None, datetime | None, bytes] = None, None, b""
        self.source = lru_cache(1024)(self._source)

    def write(self, parcel: Parcel, now: datetime) -> list[bytes]:
        """Return the bodies of a message's submit_sm PDUs, in order; ValueError says what cannot be encoded."""
        parts = text_encoding.parts(self._style, parcel)
        source = self.source(parcel.sender)
        destination = addresses.destination(self._plan, parcel.to)
        validity = self._validity_of(parcel.valid_until, now)
        tlvs = self._tlvs_by_sender.get(parcel.sender, self._tlvs)
        if self._numbered:
            tlvs += _REFERENCE + (parcel.ref.int & 0xFFFF).to_bytes(2, "big")
        if self._reference_tag:
            tlvs += pdu.tlv(self._reference_tag, str(parcel.ref).encode())
        before, last = self._registered
        return [
            pdu.message(
                source,
                destination,
                part.text,
                esm_class=part.esm_class,
                data_coding=part.data_coding,
                registered_delivery=last if part is parts[-1] else before,
                validity=validity,
                service_type=self._service_type,
                tlvs=part.tlvs + tlvs,
            )
            for part in parts
        ]

    def _validity_of(self, until: datetime | None, now: datetime) -> bytes:
        reported_until, reported_at, validity = self._reported
        if reported_at is not now or reported_until != until:
            validity = smpp_times.validity(self._validity, until, now)
            self._reported = until, now, validity
        return validity

    def _source(self, sender: str) -> bytes:
        if self._empty_source:
            return b"\0\0\0"
        return addresses.source(self._plan, sender)


def _service_type(options: SettingReader) -> bytes:
    given = options.text("service_type", "")
    if len(given) > SERVICE_TYPE:
        options.warn("service_type", f"has {len(given)} characters, and SMPP 3.4 allows {SERVICE_TYPE}: sent as it is")
    try:
        return pdu.foreign("service_type", given)
    except ValueError as error:
        raise options.unfit(*str(error).split(" ", 1)) from None


def _tags(options: SettingReader, key: str, given: object) -> dict[int, bytes]:
    """Return the values of TLVs by tag."""
    if not isinstance(given, Mapping):
        raise options.unfit(key, "must be an object of objects")
    tags = {}
    for tag, value in given.items():
        if not (isinstance(tag, str) and _TAG.fullmatch(tag)):
            raise options.unfit(key, "must have tags of the form 0x1400")
        if not (isinstance(value, str) and value.isascii() and value.isprintable() and len(value) <= 1000):
            raise options.unfit(key, f"must have printable ASCII for {tag}")
        octets = _HEX.fullmatch(value)
        tags[int(tag, 16)] = bytes.fromhex(octets[1]) if octets else value.encode()
    return tags


def _joined(tags: Mapping[int, bytes]) -> bytes:
    return b"".join(pdu.tlv(tag, value) for tag, value in tags.items())
