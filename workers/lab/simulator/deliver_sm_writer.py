"""Builds the simulator's deliver_sm bodies: receipts in every form, and MO messages."""

import time
from dataclasses import replace
from functools import lru_cache
from uuid import uuid4

from pipeline.carriers.simulated_smsc import REF_TAG, ReceiptForm, SimulatedSmsc
from pipeline.carriers.simulator_script import Report
from pipeline.carriers.smpp import addresses, pdu, text_encoding
from pipeline.carriers.smpp.codes import MessageState, Tag
from pipeline.carriers.smpp.deliver_sm_parser import RECEIPT
from pipeline.carriers.smpp.message_states import NAMES
from schema.carriage import Parcel
from schema.message_class import MessageClass
from schema.vocabulary import Encoding, ReceiptVerdict

#: the message_state of each receipt verdict
STATES = {
    ReceiptVerdict.DELIVERED: MessageState.DELIVERED,
    ReceiptVerdict.PENDING: MessageState.ENROUTE,
    ReceiptVerdict.FAILED: MessageState.UNDELIVERABLE,
}
#: failures with a message state of their own: `failed:expired`
FAILURES = {
    "expired": MessageState.EXPIRED,
    "deleted": MessageState.DELETED,
    "rejected": MessageState.REJECTED,
}
#: the error code of a failure named by a word: MAP's absentSubscriber, else unknownSubscriber (29.002, 17.6.6)
ERRORS = {"absent": 27}
UNKNOWN_SUBSCRIBER = 1
#: network_error_code: a GSM network
_GSM = b"\x03"
#: characters of the message that a receipt quotes
_SHOWN = 20


def state(report: Report) -> tuple[MessageState, int]:
    """Return a report's message state and network error code."""
    if report.status is not ReceiptVerdict.FAILED:
        return STATES[report.status], 0
    code = report.code or ""
    if code.isdecimal() and len(code) <= 3:
        return MessageState.UNDELIVERABLE, int(code)
    return FAILURES.get(code, MessageState.UNDELIVERABLE), ERRORS.get(code, UNKNOWN_SUBSCRIBER)


def receipt(
    smsc: SimulatedSmsc, message: pdu.MessagePdu, message_id: str, report: Report, taken: float, text: str
) -> bytes:
    """Return the body of the receipt for a message accepted at `taken`, in seconds since 1970."""
    now, error = state(report)
    words, tlvs = b"", b""
    if smsc.receipts is not ReceiptForm.TLV:
        delivered = now is MessageState.DELIVERED
        shown = text[:_SHOWN].encode("ascii", "replace").replace(b"\0", b"?")
        dates = _minute(int(taken) // 60), _minute(int(taken + report.happened) // 60)
        words = b"id:%s sub:001 dlvrd:%03d submit date:%s done date:%s stat:%s err:%03d text:%s" % (
            (message_id.encode(), delivered, *dates, NAMES[now].encode(), error, shown)
        )
    if smsc.receipts is not ReceiptForm.TEXT:
        tlvs = pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, message_id.encode() + b"\0")
        tlvs += pdu.tlv(Tag.MESSAGE_STATE, bytes((now,)))
        if error:
            tlvs += pdu.tlv(Tag.NETWORK_ERROR_CODE, _GSM + error.to_bytes(2, "big"))
    for tag in (Tag.USER_MESSAGE_REFERENCE, *((REF_TAG,) if smsc.echo else ())):
        if tag in message.tlvs:
            tlvs += pdu.tlv(tag, message.tlvs[tag])
    return pdu.message(
        _address(message.destination_ton, message.destination_npi, message.destination),
        _address(message.source_ton, message.source_npi, message.source),
        words,
        esm_class=RECEIPT,
        tlvs=tlvs,
    )


def written(smsc: SimulatedSmsc, phone: str, to: str, text: str) -> list[bytes]:
    """Return the deliver_sm bodies of an MO message, one per part; ValueError names what is invalid."""
    parcel = Parcel(uuid4(), to, phone, text, Encoding.GSM7, 0, MessageClass.TRANSACTIONAL)
    style = text_encoding.TextOptions(smsc.alphabet)
    try:
        parts = text_encoding.parts(style, parcel)
    except ValueError:
        parts = text_encoding.parts(style, replace(parcel, encoding=Encoding.UCS2))
    source, destination = (
        addresses.source(addresses.AddressPlan(), phone),
        addresses.source(addresses.AddressPlan(), to),
    )
    return [
        pdu.message(
            source, destination, part.text, esm_class=part.esm_class, data_coding=part.data_coding, tlvs=part.tlvs
        )
        for part in parts
    ]


def final_date(moment: float) -> str:
    """Return a time in seconds since 1970 as query_sm_resp's final_date."""
    return time.strftime("%y%m%d%H%M%S000+", time.gmtime(moment))


@lru_cache(16)
def _minute(minute: int) -> bytes:
    return time.strftime("%y%m%d%H%M", time.gmtime(60 * minute)).encode()


def _address(ton: int, npi: int, digits: str) -> bytes:
    """Return an address with the octets in which it was received."""
    return b"%c%c%s\0" % (ton, npi, digits.encode("latin-1"))
