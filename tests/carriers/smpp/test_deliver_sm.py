"""Delivery receipts, in the variations of different SMSCs."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import deliver_sm_parser, pdu, receipt_text_parser
from pipeline.carriers.smpp.codes import MessageState, Tag
from pipeline.carriers.smpp.deliver_sm_parser import DeliverSmOptions, handle, receipt
from pipeline.carriers.smpp.diagnostics import REMARKS, Diagnostic, UnreadablePdu
from pipeline.carriers.smpp.message_ids import IdTransformation, MessageIds
from pipeline.carriers.smpp.message_states import NAMES, STATES, SYNONYMS
from pipeline.carriers.smpp.text_encoding import Alphabet
from pipeline.errors import ConfigurationError
from pipeline.rules.text import gsm7
from schema.carriage import Receipt
from schema.vocabulary import ReceiptVerdict

DONE = datetime(2026, 11, 22, 4, 31, tzinfo=UTC)
USUAL = (
    "id:0123456789 sub:001 dlvrd:001 submit date:2611220430 done date:2611220431 stat:DELIVRD err:000 text:Your code is"
)
unhurried = settings(deadline=None, max_examples=200)


def message(text: str | bytes, esm_class: int = 4, tlvs: bytes = b"", data_coding: int = 0) -> pdu.MessagePdu:
    return pdu.read_message(
        pdu.message(
            pdu.address("source_addr", 1, 1, "31612345678"),
            pdu.address("destination_addr", 5, 0, "Postroad"),
            text.encode() if isinstance(text, str) else text,
            esm_class=esm_class,
            data_coding=data_coding,
            tlvs=tlvs,
        )
    )


def read(
    text: str | bytes, deliver_sm_options: DeliverSmOptions | None = None, esm_class: int = 4, tlvs: bytes = b""
) -> Receipt:
    return receipt(deliver_sm_options or DeliverSmOptions(), "acme", message(text, esm_class, tlvs))


def test_all_fields_of_a_receipt_are_read() -> None:
    reported = read(USUAL)

    assert reported == Receipt(
        carrier="acme",
        key="0123456789/DELIVRD/000/2611220431",
        verdict=ReceiptVerdict.DELIVERED,
        carrier_ref="0123456789",
        ref=None,
        code="000",
        at=DONE,
        raw="esm_class:04 id:0123456789 sub:001 dlvrd:001 submitdate:2611220430 donedate:2611220431 stat:DELIVRD"
        " err:000",
    )


VARIANTS = {
    "as in appendix B": (USUAL, "0123456789", ReceiptVerdict.DELIVERED, "000", DONE),
    "a capital Text (SMPPSim)": (USUAL.replace("text", "Text"), "0123456789", ReceiptVerdict.DELIVERED, "000", DONE),
    "all capitals": (USUAL.upper(), "0123456789", ReceiptVerdict.DELIVERED, "000", DONE),
    "all small": (USUAL.lower(), "0123456789", ReceiptVerdict.DELIVERED, "000", DONE),
    "no text": (USUAL.partition(" text")[0], "0123456789", ReceiptVerdict.DELIVERED, "000", DONE),
    "a text cut within its name": (USUAL.partition("xt:")[0], "0123456789", ReceiptVerdict.DELIVERED, "000", DONE),
    "without sub and dlvrd, hexadecimal id, years of four digits": (
        "id:2E179B310EDE971B2760C72B7F026E1B submit date:20261122043000 done date:20261122043100 stat:UNDELIV err:5",
        "2E179B310EDE971B2760C72B7F026E1B",
        ReceiptVerdict.FAILED,
        "5",
        DONE,
    ),
    "an UUID, seconds (Clickatell)": (
        (
            "id:74e02ee1-4e2f-4a6e-a78b-4b247d756a22 sub:001 dlvrd:001 submit date:261122043000 done date:261122043100"
            " stat:DELIVRD err:000 text:"
        ),
        "74e02ee1-4e2f-4a6e-a78b-4b247d756a22",
        ReceiptVerdict.DELIVERED,
        "000",
        DONE,
    ),
    "names without spaces, no date (OpenMarket)": (
        (
            "id:0118Z-0122I-2309U sub:000 dlvrd:000 submitdate:261122043000 donedate:000000000000 stat:REJECTD err:375"
            " text:"
        ),
        "0118Z-0122I-2309U",
        ReceiptVerdict.FAILED,
        "375",
        None,
    ),
    "moments of SMPP (smppex#46)": (
        "id:rdwjwx sub:000 dlvrd:000 submit date:261122043000012+ done date:261122073100012+ stat:UNDELIV err:000",
        "rdwjwx",
        ReceiptVerdict.FAILED,
        "UNDELIV",
        DONE,
    ),
    "another order, the state behind the text": (
        "sub:001 id:abc err:000 dlvrd:001 done date:2611220431 submit date:2611220430 text: stat:DELIVRD",
        "abc",
        ReceiptVerdict.DELIVERED,
        "000",
        DONE,
    ),
    "spaces behind the colon (php-smpp#29)": (
        "id: abc sub: 1 dlvrd: 0 submit date: 2611220430 done date: 2611220431 stat: EXPIRED err: 0 text: ",
        "abc",
        ReceiptVerdict.FAILED,
        "EXPIRED",
        DONE,
    ),
    "four digits of code": (USUAL.replace("err:000", "err:0000"), "0123456789", ReceiptVerdict.DELIVERED, "0000", DONE),
    "no code": ("id:abc stat:EXPIRED", "abc", ReceiptVerdict.FAILED, "EXPIRED", None),
    "lines": ("id:abc\r\nstat:ACCEPTD\r\nerr:001\r\n", "abc", ReceiptVerdict.PENDING, "001", None),
    "long names": (
        "id:abc submit_date:2611220430 done_date:2026-11-22 04:31:00 status:Undelivered error:21",
        "abc",
        ReceiptVerdict.FAILED,
        "21",
        DONE,
    ),
    "a word that nobody knows": ("id:abc stat:TELEPORTD err:000", "abc", ReceiptVerdict.PENDING, "000", None),
    "spaces before the colon, other separators": (
        "ID :abc;STAT : EXPIRED;Done  Date: 2611220431;ERR = 0x1F",
        "abc",
        ReceiptVerdict.FAILED,
        "0x1F",
        DONE,
    ),
    "as in JSON": ('{"id":"abc","stat":"DELIVRD","err":"000"}', "abc", ReceiptVerdict.DELIVERED, "000", None),
    "other names": (
        "message_id:abc status:DELIVERED error_code:0 done-date:2026-11-22T04:31:00Z",
        "abc",
        ReceiptVerdict.DELIVERED,
        "0",
        DONE,
    ),
    "a zone": ("id:abc stat:DELIVRD done date:2026-11-22T05:31:00+01:00", "abc", ReceiptVerdict.DELIVERED, None, DONE),
    "an id of more than 64 characters": (
        f"id:{'x' * 200} stat:DELIVRD",
        "x" * 200,
        ReceiptVerdict.DELIVERED,
        None,
        None,
    ),
    "no state": ("id:abc err:000", "abc", ReceiptVerdict.PENDING, "000", None),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_receipt_is_read_in_each_format_that_smscs_write(variant: str) -> None:
    text, carrier_ref, verdict, code, at = VARIANTS[variant]

    reported = read(text)

    assert (reported.carrier_ref, reported.verdict, reported.code, reported.at) == (carrier_ref, verdict, code, at)


def test_the_fast_and_the_general_receipt_parser_read_the_same_fields() -> None:
    assert receipt_text_parser.read(USUAL) == receipt_text_parser.fields(message(USUAL))


def test_a_receipt_with_its_text_in_ucs_2_is_read() -> None:
    [reported] = handle(DeliverSmOptions(), "acme", message(USUAL.encode("utf-16-be"), data_coding=8)).receipts

    assert (reported.carrier_ref, reported.verdict) == ("0123456789", ReceiptVerdict.DELIVERED)


PACKED = gsm7.pack(gsm7.encode(USUAL))
HEADER = bytes.fromhex("0500030b0201")
#: octets, data_coding, esm_class, parameters
CODINGS = {
    "ASCII that is said to be UCS-2": (USUAL.encode(), 8, 4, b""),
    "ASCII of an odd length that is said to be UCS-2": (USUAL.encode() + b".", 8, 4, b""),
    "ASCII that is said to be octets": (USUAL.encode(), 4, 4, b""),
    "ASCII that is said to be Japanese": (USUAL.encode(), 10, 4, b""),
    "ASCII in a group of 23.038": (USUAL.encode(), 0xF1, 4, b""),
    "UCS-2": (USUAL.encode("utf-16-be"), 8, 4, b""),
    "UCS-2 of the other order": (USUAL.encode("utf-16-le"), 8, 4, b""),
    "UCS-2 with a mark of its order": (b"\xfe\xff" + USUAL.encode("utf-16-be"), 8, 4, b""),
    "UCS-2 with a mark of the other order": (b"\xff\xfe" + USUAL.encode("utf-16-le"), 8, 4, b""),
    "UCS-2 that is said to be the default alphabet": (USUAL.encode("utf-16-be"), 0, 4, b""),
    "UCS-2 of the other order, the same": (USUAL.encode("utf-16-le"), 0, 4, b""),
    "UCS-2 with a mark, the same": (b"\xff\xfe" + USUAL.encode("utf-16-le"), 0, 4, b""),
    "UCS-2 that is said to be Latin-1": (USUAL.encode("utf-16-be"), 3, 4, b""),
    "packed septets": (PACKED, 0, 4, b""),
    "packed septets that are said to be UCS-2": (PACKED, 8, 4, b""),
    "Latin-1": ((USUAL + " éß").encode("latin-1"), 3, 4, b""),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + USUAL.encode(), 0, 4, b""),
    "NULs behind": (USUAL.partition(" text")[0].encode() + b"\0" * 60, 0, 4, b""),
    "garbage behind": (USUAL.encode() + bytes(range(128, 256)), 0, 4, b""),
    "garbage before": (b"\0\x1b\xff " + USUAL.encode(), 0, 4, b""),
    "behind a header": (HEADER + USUAL.encode(), 0, 0x44, b""),
    "behind a header, in UCS-2": (HEADER + USUAL.encode("utf-16-be"), 8, 0x44, b""),
    "behind a header, packed": (HEADER + gsm7.pack(gsm7.encode(USUAL), gsm7.fill_bits(6)), 0, 0x44, b""),
    "behind a header that nobody told of": (HEADER + USUAL.encode(), 0, 4, b""),
    "without the header that is told of": (USUAL.encode(), 0, 0x44, b""),
    "in message_payload": (b"", 0, 4, pdu.tlv(Tag.MESSAGE_PAYLOAD, USUAL.encode())),
    "in message_payload that is said to be UCS-2": (b"", 8, 4, pdu.tlv(Tag.MESSAGE_PAYLOAD, USUAL.encode())),
    "in message_payload, UCS-2": (b"", 0, 4, pdu.tlv(Tag.MESSAGE_PAYLOAD, USUAL.encode("utf-16-be"))),
    "in message_payload, beside a text": (b"see below", 0, 4, pdu.tlv(Tag.MESSAGE_PAYLOAD, USUAL.encode())),
}


@pytest.mark.parametrize(("octets", "data_coding", "esm_class", "tlvs"), CODINGS.values(), ids=CODINGS)
def test_a_receipt_is_read_in_any_coding_whatever_its_data_coding_states(
    octets: bytes, data_coding: int, esm_class: int, tlvs: bytes
) -> None:
    reported = receipt(DeliverSmOptions(), "acme", message(octets, esm_class, tlvs, data_coding))

    assert (reported.carrier_ref, reported.verdict, reported.code, reported.at) == (
        "0123456789",
        ReceiptVerdict.DELIVERED,
        "000",
        DONE,
    )
    assert reported.raw.isascii()


def test_a_receipt_is_decoded_by_its_data_coding_before_other_codings_are_tried() -> None:
    # in UCS-2 two letters of the message's text look like a field of ASCII
    text = "id:abc stat:UNDELIV err:001 text:" + b"id:forged stat:DELIVRD ".decode("utf-16-be", "ignore")

    reported = receipt(DeliverSmOptions(), "acme", message(text.encode("utf-16-be"), data_coding=8))

    assert (reported.carrier_ref, reported.verdict) == ("abc", ReceiptVerdict.FAILED)


STATES_SPELT = {
    "Delivered": ReceiptVerdict.DELIVERED,
    "delivrd": ReceiptVerdict.DELIVERED,
    "DELIVERED_TO_HANDSET": ReceiptVerdict.DELIVERED,
    "DELIVRD.": ReceiptVerdict.DELIVERED,
    "Un-Delivered": ReceiptVerdict.FAILED,
    "FAILED": ReceiptVerdict.FAILED,
    "NOT_DELIVERED": ReceiptVerdict.FAILED,
    "Rejected": ReceiptVerdict.FAILED,
    "EN-ROUTE": ReceiptVerdict.PENDING,
    "Buffered": ReceiptVerdict.PENDING,
}


@pytest.mark.parametrize(("word", "verdict"), STATES_SPELT.items())
def test_a_receipt_state_is_recognised_in_each_spelling(word: str, verdict: ReceiptVerdict) -> None:
    noted: list[Diagnostic] = []

    [reported] = handle(DeliverSmOptions(), "acme", message(f"id:abc stat:{word} err:000"), noted.append).receipts

    assert (reported.verdict, noted) == (verdict, [])


def test_receipt_states_sets_what_a_state_means_and_an_unknown_state_is_pending_with_a_diagnostic() -> None:
    deliver_sm_options = deliver_sm_parser.read(
        SettingReader("acme", {"receipt_states": {"TELEPORTD": "delivered", "ACCEPTD": "delivered"}})
    )
    noted: list[Diagnostic] = []

    known = [
        handle(deliver_sm_options, "acme", message(f"id:abc stat:{word}"), noted.append).receipts[0].verdict
        for word in ("Teleportd", "ACCEPTD", "REJECTD")
    ]
    unknown = handle(deliver_sm_options, "acme", message("id:abc stat:BEAMED"), noted.append).receipts[0]

    assert known == [ReceiptVerdict.DELIVERED, ReceiptVerdict.DELIVERED, ReceiptVerdict.FAILED]
    assert (unknown.verdict, noted) == (ReceiptVerdict.PENDING, [Diagnostic.RECEIPT_STATE])
    with pytest.raises(ConfigurationError, match="receipt_states must be of the form"):
        deliver_sm_parser.read(SettingReader("acme", {"receipt_states": {"TELEPORTD": "gone"}}))


def test_network_error_code_precedes_the_err_field_and_either_code_may_be_retryable() -> None:
    tlvs = pdu.tlv(Tag.NETWORK_ERROR_CODE, b"\3\0\x1b")
    deliver_sm_options = deliver_sm_parser.read(SettingReader("acme", {"retryable_codes": "011"}))

    reported = read("id:abc stat:UNDELIV err:011", deliver_sm_options, tlvs=tlvs)

    assert (reported.code, reported.retryable) == ("net3-27", True)
    assert read("id:abc stat:DELIVRD err:000", tlvs=pdu.tlv(Tag.NETWORK_ERROR_CODE, b"\3\0\0")).code == "000"
    assert read("id:abc stat:UNDELIV err:01f", tlvs=pdu.tlv(Tag.NETWORK_ERROR_CODE, b"\3\0")).code == "01f"
    assert read("id:abc stat:UNDELIV", tlvs=pdu.tlv(Tag.NETWORK_ERROR_CODE, b"021")).code == "021"


def test_a_message_state_tlv_with_an_ascii_digit_is_read() -> None:
    assert read("id:abc", tlvs=pdu.tlv(Tag.MESSAGE_STATE, b"2\0"[:1])).verdict is ReceiptVerdict.DELIVERED


AS_TEXT = "id:abc stat:DELIVRD err:000"


def test_a_suspected_receipt_is_read_as_a_receipt_only_with_receipts_by_text() -> None:
    by_text = deliver_sm_parser.read(SettingReader("acme", {"receipts_by_text": True}))
    noted: list[Diagnostic] = []

    doubtful = handle(DeliverSmOptions(), "acme", message(AS_TEXT, esm_class=0), noted.append)
    [reported] = handle(by_text, "acme", message(AS_TEXT.encode("utf-16-be"), 0, data_coding=8), noted.append).receipts
    [written] = handle(by_text, "acme", message("my id: 5, stat: fine", 0), noted.append).inbound

    assert [each.body for each in doubtful.inbound] == [AS_TEXT]
    assert (reported.carrier_ref, reported.verdict) == ("abc", ReceiptVerdict.DELIVERED)
    assert written.body == "my id: 5, stat: fine"
    assert noted == [Diagnostic.RECEIPT_AS_TEXT]


def test_each_diagnostic_has_a_description() -> None:
    assert set(REMARKS) == set(Diagnostic)


def test_tlvs_of_a_receipt_take_precedence_over_its_text() -> None:
    tlvs = pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"38601fa\0") + pdu.tlv(Tag.MESSAGE_STATE, bytes([MessageState.EXPIRED]))

    reported = read(USUAL, tlvs=tlvs)

    assert (reported.carrier_ref, reported.verdict, reported.code) == ("38601fa", ReceiptVerdict.FAILED, "EXPIRED")
    assert reported.raw.endswith("err:000 receipted_message_id:3338363031666100 message_state:03")


def test_a_receipt_may_consist_of_tlvs_only() -> None:
    tlvs = (
        pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"abc")
        + pdu.tlv(Tag.MESSAGE_STATE, bytes([MessageState.UNDELIVERABLE]))
        + pdu.tlv(Tag.NETWORK_ERROR_CODE, b"\3\0\x1b")
    )

    reported = read("", tlvs=tlvs, esm_class=0)

    assert (reported.carrier_ref, reported.verdict, reported.code) == ("abc", ReceiptVerdict.FAILED, "net3-27")


def test_a_receipt_with_a_truncated_tlv_is_read_from_its_text() -> None:
    # an SMSC's real fault: a length of 0x0041 before five octets
    broken = pdu.tlv(Tag.MESSAGE_STATE, b"\2") + bytes.fromhex("001e0041") + b"3005\0"

    assert read("id:0000003005 stat:DELIVRD err:000 te", tlvs=broken).carrier_ref == "0000003005"


def test_message_ids_of_receipts_are_converted_by_the_receipt_id_transformations() -> None:
    rules = MessageIds((), (IdTransformation.DEC_TO_HEX,), ())

    assert read("id:0059113978 stat:DELIVRD", DeliverSmOptions(rules)).carrier_ref == "38601fa"
    tagged = read("id:0059113978", DeliverSmOptions(rules), tlvs=pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"38601fa\0"))
    assert tagged.carrier_ref == "38601fa"


@pytest.mark.parametrize("state", MessageState)
def test_every_message_state_has_the_same_verdict_as_a_tlv_and_in_the_text(state: MessageState) -> None:
    by_number = read("id:abc", tlvs=pdu.tlv(Tag.MESSAGE_STATE, bytes([state])))
    by_word = read(f"id:abc stat:{NAMES[state]}")

    assert by_number.verdict == by_word.verdict == STATES[state]
    assert by_number.key == by_word.key


def test_the_tables_of_message_states_are_complete() -> None:
    assert set(STATES) == set(NAMES) == set(MessageState)
    assert not set(SYNONYMS) & set(NAMES.values())


def test_an_intermediate_notification_of_a_failure_leaves_the_message_pending() -> None:
    assert read("id:abc stat:UNDELIV err:027", esm_class=0x20).verdict is ReceiptVerdict.PENDING
    assert read("id:abc stat:DELIVRD err:000", esm_class=0x20).verdict is ReceiptVerdict.DELIVERED


@pytest.mark.parametrize("esm_class", [0x08, 0x10])
def test_a_handset_acknowledgement_without_a_state_means_delivered(esm_class: int) -> None:
    assert (
        read("", tlvs=pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"abc\0"), esm_class=esm_class).verdict
        is ReceiptVerdict.DELIVERED
    )
    assert read("id:abc stat:UNDELIV", esm_class=esm_class).verdict is ReceiptVerdict.FAILED


def test_equal_receipts_have_the_same_key_and_different_receipts_have_different_keys() -> None:
    of_an_id_given_out_anew = USUAL.replace("done date:2611220431", "done date:2612220431")

    assert read(USUAL + " ").key == read(USUAL).key
    assert read(of_an_id_given_out_anew).key != read(USUAL).key
    assert read(USUAL.replace("DELIVRD", "ENROUTE")).key != read(USUAL).key
    assert read(USUAL.replace("0123456789", "1123456789")).key != read(USUAL).key


def test_our_reference_is_read_from_the_tlv_that_echoes_it() -> None:
    ref = uuid4()
    deliver_sm_options = DeliverSmOptions(reference_tag=0x1400)

    assert read("id:abc", tlvs=pdu.tlv(Tag.USER_MESSAGE_REFERENCE, ref.bytes)).ref == ref
    assert read("", deliver_sm_options, tlvs=pdu.tlv(0x1400, str(ref).encode() + b"\0")).ref == ref
    assert read("id:abc", deliver_sm_options, tlvs=pdu.tlv(0x1400, ref.hex.encode())).ref == ref
    assert read("id:abc", tlvs=pdu.tlv(Tag.USER_MESSAGE_REFERENCE, b"\1\2")).ref is None


def test_a_receipt_without_a_message_id_is_refused() -> None:
    with pytest.raises(UnreadablePdu) as refused:
        read("sub:001 stat:DELIVRD text:hello")

    assert refused.value.reason == str(refused.value) == "receipt_without_id"


@pytest.mark.parametrize(
    "text",
    [
        "id:abc stat:DELIVRD err:000 text:hunter2",
        "id:abc stat:DELIVRD text:a id:hunter2 sub:hunter2 err:hunter2 done date:hunter2",
        "id:abc stat:DELIVRD err:000 hunter2",
        "id:abc done date:2611220431 hunter2 stat:DELIVRD",
        "id:abc stat:DELIVRD Text:\nhunter2\nstat:REJECTD",
        "hunter2 id:abc stat:DELIVRD",
    ],
)
def test_a_receipt_record_keeps_nothing_of_the_message_text(text: str) -> None:
    reported = read(text)

    assert "hunter2" not in repr(reported)
    assert (reported.carrier_ref, reported.verdict) == ("abc", ReceiptVerdict.DELIVERED)


def test_a_failed_receipt_is_retryable_if_its_code_is_in_retryable_codes() -> None:
    deliver_sm_options = deliver_sm_parser.read(SettingReader("acme", {"retryable_codes": "011, REJECTD"}))

    assert read("id:abc stat:UNDELIV err:011", deliver_sm_options).retryable
    assert read("id:abc stat:REJECTD err:012", deliver_sm_options).retryable
    assert not read("id:abc stat:UNDELIV err:012", deliver_sm_options).retryable
    assert not read("id:abc stat:DELIVRD err:011", deliver_sm_options).retryable


def test_the_options_of_the_receipt_parser_are_read_from_a_carrier_s_settings() -> None:
    options = SettingReader("acme", {"receipt_utc_offset": 120, "reference_tag": 0x1400, "submit_ids": "lower"})

    deliver_sm_options = deliver_sm_parser.read(options, Alphabet.LATIN1)

    options.finish()
    assert deliver_sm_options == DeliverSmOptions(
        MessageIds((IdTransformation.LOWER,)), timedelta(hours=2), 0x1400, frozenset(), alphabet=Alphabet.LATIN1
    )
    assert read("id:abc done date:2611220631", deliver_sm_options).at == DONE


@pytest.mark.parametrize(
    ("esm_class", "tlvs", "is_receipt"),
    [
        (0x00, b"", False),
        (0x03, b"", False),
        (0x40, b"", False),
        (0x80, b"", False),
        (0x18, b"", False),
        (0x04, b"", True),
        (0x44, b"", True),
        (0x07, b"", True),
        (0x08, b"", True),
        (0x10, b"", True),
        (0x20, b"", True),
        (0x00, pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"abc\0"), True),
        (0x00, pdu.tlv(Tag.MESSAGE_STATE, b"\2"), True),
    ],
)
def test_esm_class_and_tlvs_distinguish_a_receipt_from_an_mo_message(
    esm_class: int, tlvs: bytes, is_receipt: bool
) -> None:
    events = handle(DeliverSmOptions(), "acme", message("id:abc stat:DELIVRD", esm_class, tlvs))

    assert (len(events.receipts), len(events.inbound)) == ((1, 0) if is_receipt else (0, 1))


def test_an_mo_message_with_the_text_of_a_receipt_stays_an_mo_message() -> None:
    events = handle(DeliverSmOptions(), "acme", message(USUAL, esm_class=0))

    assert events.inbound[0].body == USUAL


fields = st.sampled_from(["id:abc", "stat:DELIVRD", "err:", "done date:", "text:", "2611220431", " ", "\0", "=", "é"])


@unhurried
@given(
    st.one_of(st.binary(max_size=200), st.lists(fields, max_size=12).map(lambda some: "".join(some).encode())),
    st.integers(0, 255),
    st.integers(0, 255),
    st.dictionaries(st.sampled_from([*Tag, 0x1400]), st.binary(max_size=80), max_size=4),
)
def test_any_deliver_sm_is_read_or_refused_with_a_value_error(
    text: bytes, esm_class: int, data_coding: int, tlvs: dict[int, bytes]
) -> None:
    octets = b"".join(pdu.tlv(tag, value) for tag, value in tlvs.items())
    try:
        events = handle(DeliverSmOptions(reference_tag=0x1400), "acme", message(text, esm_class, octets, data_coding))
    except ValueError:
        return

    for reported in events.receipts:
        assert reported.raw.isprintable()
        assert reported.key.isprintable()
        assert reported.ref is None or isinstance(reported.ref, UUID)
        assert len(reported.raw) < 2000


@pytest.mark.parametrize(("home", "remarks"), [("", [Diagnostic.NATIONAL_NUMBER]), ("GB", [])])
def test_a_national_number_without_a_home_country_is_reported_as_a_diagnostic(
    home: str, remarks: list[Diagnostic]
) -> None:
    noted: list[Diagnostic] = []
    source = pdu.address("source_addr", 2, 1, "07400123126")
    octets = pdu.message(source, pdu.address("destination_addr", 3, 0, "60555"), b"STOP")

    handle(DeliverSmOptions(home=home), "acme", pdu.read_message(octets), noted.append)

    assert noted == remarks
