"""What an SMSC says unasked: a deliver_sm (or data_sm) as a delivery receipt, or as a message from a handset.

Settings besides those of `references`:

    receipt_utc_offset      0: minutes by which the clock of their dates is ahead of UTC
    reference_tag           0: a parameter of our own (5120 is 0x1400) in which the SMSC echoes our reference
    retryable_codes         "": codes in receipts, with commas, after which another carrier may do better: `011,REJECTD`
    alphabet                what data_coding 0 means in what handsets write: see `texts`

A receipt's text is what the specification's appendix B sketches, and no two SMSCs write alike:

    id:IIII sub:001 dlvrd:001 submit date:YYMMDDhhmm done date:YYMMDDhhmm stat:DELIVRD err:000 text:…

Fields are taken in any order and case, each may be missing, and parameters (receipted_message_id, message_state,
network_error_code) go before them. What is in `text:` is the message's and is not kept.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.carriers.options import Options
from pipeline.carriers.smpp import inbound, references, times
from pipeline.carriers.smpp.codes import MessageState, Tag
from pipeline.carriers.smpp.pdu import Message
from pipeline.carriers.smpp.references import References
from pipeline.carriers.smpp.texts import Alphabet
from schema.carriage import Heard, Receipt
from schema.vocabulary import Verdict

#: esm_class (5.2.12): the bits that say what kind of message it is
KIND = 0x3C
#: the SMSC's receipt, alone or with other bits
RECEIPT = 0x04
#: the handset took it, its user took note of it: 0x08, 0x10
ACKNOWLEDGED = frozenset({0x08, 0x10})
#: an intermediate notification: whatever it says, delivery goes on
INTERMEDIATE = 0x20

#: what message_state says
STATES = {
    MessageState.SCHEDULED: Verdict.PENDING,
    MessageState.ENROUTE: Verdict.PENDING,
    MessageState.DELIVERED: Verdict.DELIVERED,
    MessageState.EXPIRED: Verdict.FAILED,
    MessageState.DELETED: Verdict.FAILED,
    MessageState.UNDELIVERABLE: Verdict.FAILED,
    MessageState.ACCEPTED: Verdict.PENDING,
    MessageState.UNKNOWN: Verdict.PENDING,
    MessageState.REJECTED: Verdict.FAILED,
    MessageState.SKIPPED: Verdict.FAILED,
}
#: what message_state is called in a text
NAMES = {
    MessageState.SCHEDULED: "SCHEDLD",
    MessageState.ENROUTE: "ENROUTE",
    MessageState.DELIVERED: "DELIVRD",
    MessageState.EXPIRED: "EXPIRED",
    MessageState.DELETED: "DELETED",
    MessageState.UNDELIVERABLE: "UNDELIV",
    MessageState.ACCEPTED: "ACCEPTD",
    MessageState.UNKNOWN: "UNKNOWN",
    MessageState.REJECTED: "REJECTD",
    MessageState.SKIPPED: "SKIPPED",
}
#: the other words for it that SMSCs use
SYNONYMS = {
    "SCHEDULED": MessageState.SCHEDULED,
    "EN_ROUTE": MessageState.ENROUTE,
    "BUFFRED": MessageState.ENROUTE,
    "BUFFERED": MessageState.ENROUTE,
    "QUEUED": MessageState.ENROUTE,
    "DELIVERED": MessageState.DELIVERED,
    "DELIVERD": MessageState.DELIVERED,
    "DELIVRED": MessageState.DELIVERED,
    "EXPIRD": MessageState.EXPIRED,
    "UNDELIVERABLE": MessageState.UNDELIVERABLE,
    "UNDELIVERED": MessageState.UNDELIVERABLE,
    "UNDELIVRD": MessageState.UNDELIVERABLE,
    "UNDELVD": MessageState.UNDELIVERABLE,
    "FAILED": MessageState.UNDELIVERABLE,
    "ACCEPTED": MessageState.ACCEPTED,
    "REJECTED": MessageState.REJECTED,
    "REJECT": MessageState.REJECTED,
}
#: message_state by its word in a text
WORDS = {name: state for state, name in NAMES.items()} | SYNONYMS

_FIELD = re.compile(
    r"(?<![A-Za-z_])(id|sub|dlvrd|submit[ _]?date|done[ _]?date|stat|status|err|error|text)[ ]?[:=]", re.IGNORECASE
)
#: how nearly all of them look, read at one go
_USUAL = re.compile(
    r"id:([!-~]{1,128}) sub:([0-9]{1,9}) dlvrd:([0-9]{1,9}) submit date:([0-9]{1,20}) done date:([0-9]{1,20})"
    r" stat:([A-Z]{1,20}) err:([0-9A-Za-z]{1,20})(?: [Tt]ext:.*)?",
    re.DOTALL | re.ASCII,
)
_NAMES = ("id", "sub", "dlvrd", "submitdate", "donedate", "stat", "err")
#: one name for what is written in several ways
_SPELT = {"status": "stat", "error": "err"}
#: what may stand behind `text:` too, if it is of this form: the text itself might say anything
_LATE = {
    "stat": re.compile("|".join(sorted(WORDS))),
    "err": re.compile(r"[0-9]{1,3}"),
    "donedate": re.compile(r"[0-9]{10,14}"),
}
#: what is kept of a value: no spaces, and no longer than any id
_VALUE = re.compile(r"[!-~]{1,128}")
_CODE = re.compile(r"(?!.*[0-9]{7})[A-Za-z0-9_.-]{1,40}")
_DATE = re.compile(r"[0-9T:/. +-]*")
_PUNCTUATION = re.compile(r"[-/:. T]")
_UUID = re.compile(rb"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True, slots=True)
class Reading:
    """How one carrier's receipts and messages from handsets are to be understood."""

    references: References = field(default_factory=References)
    offset: timedelta = timedelta()
    #: the parameter that echoes our reference, besides user_message_reference
    reference_tag: int = 0
    retryable_codes: frozenset[str] = frozenset()
    alphabet: Alphabet = Alphabet.GSM7


def read(options: Options, alphabet: Alphabet = Alphabet.GSM7) -> Reading:
    """Take one carrier's settings; `alphabet` is what `texts.read` took."""
    codes = options.text("retryable_codes", "")
    return Reading(
        references=references.read(options),
        offset=timedelta(minutes=options.whole("receipt_utc_offset", 0, -24 * 60, 24 * 60)),
        reference_tag=options.whole("reference_tag", 0, 0, 0xFFFF),
        retryable_codes=frozenset(code.strip() for code in codes.split(",") if code.strip()),
        alphabet=alphabet,
    )


def hear(reading: Reading, carrier: str, message: Message, now: datetime) -> Heard:
    """Return what a deliver_sm or data_sm says; ValueError where a receipt does not say of which message."""
    if is_receipt(message):
        return Heard([receipt(reading, carrier, message)], [])
    return Heard([], [inbound.read(carrier, message, reading.alphabet, now)])


def is_receipt(message: Message) -> bool:
    """Tell whether it is about a message of ours, and not one from a handset."""
    kind = message.esm_class & KIND
    if kind & RECEIPT or kind in ACKNOWLEDGED or kind == INTERMEDIATE:
        return True
    return Tag.RECEIPTED_MESSAGE_ID in message.tlvs or Tag.MESSAGE_STATE in message.tlvs


def receipt(reading: Reading, carrier: str, message: Message) -> Receipt:
    """Return a delivery receipt; ValueError where it does not say of which message."""
    fields = _fields(message)
    carrier_ref = _carrier_ref(reading.references, message, fields)
    ref = _ref(reading, message)
    if carrier_ref is None and ref is None:
        raise ValueError("a receipt does not say of which message it is")
    word, verdict = _state(message, fields)
    error = _error(message, fields)
    code = error if error and error.strip("0") else word if verdict is Verdict.FAILED else error
    done = fields.get("donedate", "")
    return Receipt(
        carrier=carrier,
        # an SMSC gives its ids out anew some day; brought again, a receipt is as it was
        key=f"{carrier_ref or ref}/{word or verdict}/{code or ''}/{done}",
        verdict=verdict,
        carrier_ref=carrier_ref,
        ref=ref,
        code=code,
        at=_at(done, reading.offset),
        raw=_raw(message, fields),
        retryable=verdict is Verdict.FAILED and bool(reading.retryable_codes & {code, word}),
    )


def _fields(message: Message) -> dict[str, str]:
    """Return a receipt's fields, in their order, by name in small letters without spaces; never the text."""
    text = inbound.decode(message.text, 8 if message.data_coding == 8 else 3)
    if usual := _USUAL.fullmatch(text):
        return dict(zip(_NAMES, usual.groups(), strict=True))
    return _any_fields(text)


def _any_fields(text: str) -> dict[str, str]:
    marks = list(_FIELD.finditer(text))
    ends = [*[mark.start() for mark in marks], len(text)][1:]
    fields: dict[str, str] = {}
    is_text = False
    for mark, end in zip(marks, ends, strict=True):
        name = mark[1].lower().replace(" ", "").replace("_", "")
        name = _SPELT.get(name, name)
        value = text[mark.end() : end].strip(" \t\r\n\0")
        if is_text and not (name in _LATE and _LATE[name].fullmatch(value)):
            continue
        if name == "text":
            is_text = True
            continue
        # what follows the value belongs to no field
        value = _date(value) if "date" in name else value.partition(" ")[0]
        if _VALUE.fullmatch(value):
            fields.setdefault(name, value)
    return fields


def _carrier_ref(rules: References, message: Message, fields: dict[str, str]) -> str | None:
    tagged = message.tlvs.get(Tag.RECEIPTED_MESSAGE_ID, b"").partition(b"\0")[0].decode("latin-1")
    return references.normal(rules.tagged, tagged) or references.normal(rules.receipted, fields.get("id", ""))


def _ref(reading: Reading, message: Message) -> UUID | None:
    """Return our reference, 16 octets or spelt out; the two octets of user_message_reference name nobody."""
    for tag in (reading.reference_tag, Tag.USER_MESSAGE_REFERENCE):
        value = message.tlvs.get(tag, b"")
        if len(value) == 16:
            return UUID(bytes=value)
        if _UUID.fullmatch(spelt := value.rstrip(b"\0")):
            return UUID(spelt.decode())
    return None


def _state(message: Message, fields: dict[str, str]) -> tuple[str | None, Verdict]:
    """Return the word for the message's state and what it means; a word that we do not know changes nothing."""
    word = fields.get("stat", "").upper()
    state = WORDS.get(word)
    value = message.tlvs.get(Tag.MESSAGE_STATE, b"")
    if value and value[-1] in NAMES:
        state = MessageState(value[-1])
    kind = message.esm_class & KIND
    if state is None and not word and kind in ACKNOWLEDGED:
        state = MessageState.DELIVERED
    if state is None:
        return word if _CODE.fullmatch(word) else None, Verdict.PENDING
    verdict = STATES[state]
    if kind == INTERMEDIATE and verdict is Verdict.FAILED:
        verdict = Verdict.PENDING
    return NAMES[state], verdict


def _error(message: Message, fields: dict[str, str]) -> str | None:
    """Return the SMSC's code, or the network's where the SMSC gives none."""
    error = fields.get("err", "")
    network = message.tlvs.get(Tag.NETWORK_ERROR_CODE, b"")
    if not error.strip("0") and len(network) == 3 and any(network[1:]):
        return f"net{network[0]}-{int.from_bytes(network[1:], 'big')}"
    return error if _CODE.fullmatch(error) else None


def _date(value: str) -> str:
    date = _DATE.match(value)
    return date[0].strip().replace(" ", "T") if date else ""


def _at(date: str, offset: timedelta) -> datetime | None:
    return times.moment(date, offset) or times.moment(_PUNCTUATION.sub("", date), offset)


def _raw(message: Message, fields: dict[str, str]) -> str:
    """Return the report's fields and parameters, written the same way for all SMSCs."""
    known = [f"{name}:{value}" for name, value in fields.items()]
    tlvs = [f"{tag.name.lower()}:{message.tlvs[tag][:65].hex()}" for tag in _SHOWN if tag in message.tlvs]
    return " ".join([f"esm_class:{message.esm_class:02x}", *known, *tlvs])


_SHOWN = (Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE, Tag.NETWORK_ERROR_CODE, Tag.USER_MESSAGE_REFERENCE)
