"""Parses deliver_sm and data_sm PDUs of an SMSC: as delivery receipts or as messages from handsets (MO).

Settings besides those of `message_ids`:

    receipt_utc_offset      0: minutes by which the clock of receipts' dates is ahead of UTC
    reference_tag           0: TLV in which the SMSC returns our reference (5120 is 0x1400)
    retryable_codes         "": comma-separated receipt codes after which another carrier may succeed: `011,REJECTD`
    receipt_states          {}: the SMSC's own words for states: {"TELEPORTD": "delivered"}, `failed`, `pending`
    receipts_by_text        false: whether a message with the text of a receipt is one even without the esm_class
    alphabet                meaning of data_coding 0 in MO messages: see `text_encoding`
    home_country            "": where (ISO) handsets' numbers without a country code are dialled

A receipt's text is parsed by `receipt_text_parser`; TLVs (receipted_message_id, message_state, network_error_code)
take precedence over it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from pipeline.carriers import home_country
from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import message_ids, mo_message, receipt_text_parser, smpp_times
from pipeline.carriers.smpp.codes import MessageState, Tag
from pipeline.carriers.smpp.diagnostics import Diagnostic, UnreadablePdu
from pipeline.carriers.smpp.message_ids import MessageIds
from pipeline.carriers.smpp.message_states import NAMES, STATES, WORDS
from pipeline.carriers.smpp.pdu import MessagePdu
from pipeline.carriers.smpp.text_encoding import Alphabet
from pipeline.rules.consent.consent_numbers import SHORTEST
from pipeline.rules.consent.stop_keyword_detection import Vocabulary
from schema.carriage import CarrierEvents, Inbound, Receipt, SuspectedReceipt
from schema.dead_letter import DeadLetter
from schema.vocabulary import DeadLetterSource, InboundAction, ReceiptVerdict

#: esm_class (5.2.12): the bits of the message type
KIND = 0x3C
#: maximum characters of an address; the specification allows 20
LONGEST_ADDRESS = 255
#: SMSC delivery receipt, alone or with other bits
RECEIPT = 0x04
#: delivery acknowledgement, manual/user acknowledgement: 0x08, 0x10
ACKNOWLEDGED = frozenset({0x08, 0x10})
#: intermediate delivery notification: never final
INTERMEDIATE = 0x20
_BUILT_IN = Vocabulary([])

_CODE = re.compile(r"(?!.*[0-9]{7})[A-Za-z0-9_.-]{1,40}")
_NO_LETTER = re.compile(r"[^A-Z]")
_PUNCTUATION = re.compile(r"[-/:. T]")
_UUID = re.compile(rb"[0-9A-Fa-f]{32}|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


@dataclass(frozen=True, slots=True)
class DeliverSmOptions:
    """How one carrier's receipts and MO messages are parsed."""

    message_ids: MessageIds = field(default_factory=MessageIds)
    offset: timedelta = timedelta()
    #: TLV that returns our reference, besides user_message_reference
    reference_tag: int = 0
    retryable_codes: frozenset[str] = frozenset()
    #: verdicts of the SMSC's own words for states
    states: Mapping[str, ReceiptVerdict] = field(default_factory=dict)
    #: receipts are recognised by their text too
    by_text: bool = False
    alphabet: Alphabet = Alphabet.GSM7
    #: ISO country where handsets' numbers without a country code are dialled
    home: str = ""


def read(options: SettingReader, alphabet: Alphabet = Alphabet.GSM7) -> DeliverSmOptions:
    """Take one carrier's settings; `alphabet` is the one of `text_encoding.read`."""
    codes = options.text("retryable_codes", "")
    return DeliverSmOptions(
        message_ids=message_ids.read(options),
        offset=timedelta(minutes=options.whole("receipt_utc_offset", 0, -24 * 60, 24 * 60)),
        reference_tag=options.whole("reference_tag", 0, 0, 0xFFFF),
        retryable_codes=frozenset(code.strip() for code in codes.split(",") if code.strip()),
        states=_states(options),
        by_text=options.flag("receipts_by_text"),
        alphabet=alphabet,
        home=home_country.read(options),
    )


def _states(options: SettingReader) -> dict[str, ReceiptVerdict]:
    given = options.mapping("receipt_states")
    if not set(map(str, given.values())) <= set(ReceiptVerdict):
        raise options.unfit("receipt_states", f'must be of the form {{"TELEPORTD": "{"|".join(ReceiptVerdict)}"}}')
    return {_letters(word): ReceiptVerdict(str(verdict)) for word, verdict in given.items()}


def handle(
    deliver_sm_options: DeliverSmOptions,
    carrier: str,
    message: MessagePdu,
    remark: Callable[[Diagnostic], object] = bool,
) -> CarrierEvents:
    """Return the events in a deliver_sm or data_sm; UnreadablePdu where a receipt names no message.

    `remark` is called with diagnostics.
    """
    if is_receipt(message):
        try:
            return CarrierEvents([receipt(deliver_sm_options, carrier, message, remark)], [])
        except UnreadablePdu:
            if (stop := _stop(deliver_sm_options, carrier, message)) is None:
                raise
            return CarrierEvents([], [stop])
    suspects: list[SuspectedReceipt] = []
    if _has_text_of_receipt(deliver_sm_options, message):
        if deliver_sm_options.by_text:
            return CarrierEvents([receipt(deliver_sm_options, carrier, message, remark)], [])
        remark(Diagnostic.RECEIPT_AS_TEXT)
        suspects = _suspects(deliver_sm_options, carrier, message)
    if max(len(message.source), len(message.destination)) > LONGEST_ADDRESS:
        raise UnreadablePdu("address_too_long")
    inbound = mo_message.read(carrier, message, deliver_sm_options.alphabet, deliver_sm_options.home)
    if inbound.phone.isdecimal() and len(inbound.phone) >= SHORTEST:
        remark(Diagnostic.NATIONAL_NUMBER)
    return CarrierEvents([], [inbound], suspects=suspects)


def _stop(deliver_sm_options: DeliverSmOptions, carrier: str, message: MessagePdu) -> Inbound | None:
    """Return the STOP in a message with a receipt's esm_class, as user acknowledgements may be; None: it is none."""
    if max(len(message.source), len(message.destination)) > LONGEST_ADDRESS or not message.text:
        return None
    inbound = mo_message.read(carrier, message, deliver_sm_options.alphabet, deliver_sm_options.home)
    return inbound if _BUILT_IN.read(inbound.body).action is InboundAction.STOP else None


def _suspects(deliver_sm_options: DeliverSmOptions, carrier: str, message: MessagePdu) -> list[SuspectedReceipt]:
    """Return the possible receipt in an MO message; none where it names no message."""
    letter = DeadLetter(DeadLetterSource.SMPP, carrier, Diagnostic.RECEIPT_AS_TEXT, message.text)
    try:
        return [SuspectedReceipt(receipt(deliver_sm_options, carrier, message), letter)]
    except UnreadablePdu:
        return []


def _has_text_of_receipt(deliver_sm_options: DeliverSmOptions, message: MessagePdu) -> bool:
    """Tell whether an MO message's text has a receipt's id and a known state."""
    fields = receipt_text_parser.fields(message)
    word = _letters(fields.get("stat", ""))
    return "id" in fields and (word in WORDS or word in deliver_sm_options.states)


def is_receipt(message: MessagePdu) -> bool:
    """Tell whether it is a receipt, by its esm_class, and not an MO message."""
    kind = message.esm_class & KIND
    if kind & RECEIPT or kind in ACKNOWLEDGED or kind == INTERMEDIATE:
        return True
    return Tag.RECEIPTED_MESSAGE_ID in message.tlvs or Tag.MESSAGE_STATE in message.tlvs


def is_whole(deliver_sm_options: DeliverSmOptions, message: MessagePdu) -> bool:
    """Tell whether a receipt by itself names its message and a known state."""
    fields = receipt_text_parser.fields(message)
    word = _letters(fields.get("stat", ""))
    is_named = "id" in fields or Tag.RECEIPTED_MESSAGE_ID in message.tlvs
    return is_named and (word in WORDS or word in deliver_sm_options.states or word.isdecimal())


def receipt(
    deliver_sm_options: DeliverSmOptions,
    carrier: str,
    message: MessagePdu,
    remark: Callable[[Diagnostic], object] = bool,
) -> Receipt:
    """Return a delivery receipt; UnreadablePdu where it names no message."""
    fields = receipt_text_parser.fields(message)
    carrier_ref = _carrier_ref(deliver_sm_options.message_ids, message, fields)
    ref = _ref(deliver_sm_options, message)
    if carrier_ref is None and ref is None:
        raise UnreadablePdu("receipt_without_id")
    word, verdict = _state(deliver_sm_options, message, fields)
    if word is None or not (word in WORDS or word in deliver_sm_options.states):
        remark(Diagnostic.RECEIPT_STATE)
    errors = _errors(message, fields)
    error = errors[0] if errors else None
    code = error if error and error.strip("0") else word if verdict is ReceiptVerdict.FAILED else error
    done = fields.get("donedate", "")
    return Receipt(
        carrier=carrier,
        # SMSCs reuse ids eventually; a repeated receipt is identical
        key=f"{carrier_ref or ref}/{word or verdict}/{code or ''}/{done}",
        verdict=verdict,
        carrier_ref=carrier_ref,
        ref=ref,
        code=code,
        at=_at(done, deliver_sm_options.offset),
        raw=_raw(message, fields),
        retryable=verdict is ReceiptVerdict.FAILED and bool(deliver_sm_options.retryable_codes & {word, *errors}),
    )


def _carrier_ref(rules: MessageIds, message: MessagePdu, fields: dict[str, str]) -> str | None:
    tagged = message.tlvs.get(Tag.RECEIPTED_MESSAGE_ID, b"").partition(b"\0")[0].decode("latin-1")
    return message_ids.normal(rules.tagged, tagged) or message_ids.normal(rules.receipted, fields.get("id", ""))


def _ref(deliver_sm_options: DeliverSmOptions, message: MessagePdu) -> UUID | None:
    """Return our reference, as 16 octets or text; user_message_reference is too short to identify a message."""
    for tag in (deliver_sm_options.reference_tag, Tag.USER_MESSAGE_REFERENCE):
        value = message.tlvs.get(tag, b"")
        if len(value) == 16:
            return UUID(bytes=value)
        if _UUID.fullmatch(spelt := value.rstrip(b"\0")):
            return UUID(spelt.decode())
    return None


def _state(
    deliver_sm_options: DeliverSmOptions, message: MessagePdu, fields: dict[str, str]
) -> tuple[str | None, ReceiptVerdict]:
    """Return the state's word and verdict; an unknown word is pending."""
    word = _letters(fields.get("stat", ""))
    state = _state_of_tlv(message)
    if state is None and word not in deliver_sm_options.states:
        state = _state_of_word(word)
    kind = message.esm_class & KIND
    if state is None and not word and kind in ACKNOWLEDGED:
        state = MessageState.DELIVERED
    if state is None:
        spelt = fields.get("stat", "").upper()
        return spelt if _CODE.fullmatch(spelt) else None, deliver_sm_options.states.get(word, ReceiptVerdict.PENDING)
    verdict = STATES[state]
    if kind == INTERMEDIATE and verdict is ReceiptVerdict.FAILED:
        verdict = ReceiptVerdict.PENDING
    return NAMES[state], verdict


def _state_of_word(word: str) -> MessageState | None:
    """Return the state that the text's `stat` names: by its word, or by its number as some SMSCs do."""
    if word.isdecimal() and int(word) in NAMES:
        return MessageState(int(word))
    return WORDS.get(word)


def _state_of_tlv(message: MessagePdu) -> MessageState | None:
    """Return the state in the TLV message_state (5.3.2.35), which some SMSCs pad, or write as a digit."""
    value = message.tlvs.get(Tag.MESSAGE_STATE, b"")
    value = value.strip(b"\0")[-1:] or value[-1:]
    number = int(value) if value.isdigit() else int.from_bytes(value, "big")
    return MessageState(number) if value and number in NAMES else None


def _letters(word: str) -> str:
    """Return the letters of a state's word, without punctuation that some SMSCs add; a number unchanged."""
    return word if word in WORDS else _NO_LETTER.sub("", word.upper()) or word


def _errors(message: MessagePdu, fields: dict[str, str]) -> list[str]:
    """Return the network's code, then the SMSC's; codes for "no error" only where there is no other."""
    error = fields.get("err", "")
    network = message.tlvs.get(Tag.NETWORK_ERROR_CODE, b"")[:3]
    if not network:
        return [error] if _CODE.fullmatch(error) else []
    if network.isdigit():
        found = [network.decode()]
    else:
        has_code = len(network) == 3 and any(network[1:])
        found = [f"net{network[0]}-{int.from_bytes(network[1:], 'big')}"] if has_code else []
    if _CODE.fullmatch(error):
        found.append(error)
    return [code for code in found if code.strip("0")] or found


def _at(date: str, offset: timedelta) -> datetime | None:
    return (
        smpp_times.moment(date, offset)
        or smpp_times.moment(_PUNCTUATION.sub("", date), offset)
        or smpp_times.zoned(date)
    )


def _raw(message: MessagePdu, fields: dict[str, str]) -> str:
    """Return the receipt's fields and TLVs in one format for all SMSCs."""
    known = [f"{name}:{value}" for name, value in fields.items()]
    tlvs = [f"{tag.name.lower()}:{message.tlvs[tag][:65].hex()}" for tag in _SHOWN if tag in message.tlvs]
    return " ".join([f"esm_class:{message.esm_class:02x}", *known, *tlvs])


_SHOWN = (Tag.RECEIPTED_MESSAGE_ID, Tag.MESSAGE_STATE, Tag.NETWORK_ERROR_CODE, Tag.USER_MESSAGE_REFERENCE)
