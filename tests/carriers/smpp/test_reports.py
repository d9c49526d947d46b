"""Delivery receipts: in the many ways that SMSCs write them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.carriers.options import Options
from pipeline.carriers.smpp import pdu, reports
from pipeline.carriers.smpp.codes import MessageState, Tag
from pipeline.carriers.smpp.references import References, Step
from pipeline.carriers.smpp.reports import NAMES, STATES, SYNONYMS, Reading, hear, receipt
from pipeline.carriers.smpp.texts import Alphabet
from schema.carriage import Receipt
from schema.vocabulary import Verdict

NOW = datetime(2026, 11, 22, 4, 40, tzinfo=UTC)
DONE = datetime(2026, 11, 22, 4, 31, tzinfo=UTC)
USUAL = (
    "id:0123456789 sub:001 dlvrd:001 submit date:2611220430 done date:2611220431 stat:DELIVRD err:000 text:Your code is"
)
unhurried = settings(deadline=None, max_examples=200)


def message(text: str | bytes, esm_class: int = 4, tlvs: bytes = b"", data_coding: int = 0) -> pdu.Message:
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


def read(text: str | bytes, reading: Reading | None = None, esm_class: int = 4, tlvs: bytes = b"") -> Receipt:
    return receipt(reading or Reading(), "acme", message(text, esm_class, tlvs))


def test_a_receipt_is_read_whole() -> None:
    told = read(USUAL)

    assert told == Receipt(
        carrier="acme",
        key="0123456789/DELIVRD/000/2611220431",
        verdict=Verdict.DELIVERED,
        carrier_ref="0123456789",
        ref=None,
        code="000",
        at=DONE,
        raw="esm_class:04 id:0123456789 sub:001 dlvrd:001 submitdate:2611220430 donedate:2611220431 stat:DELIVRD"
        " err:000",
    )


VARIANTS = {
    "as in appendix B": (USUAL, "0123456789", Verdict.DELIVERED, "000", DONE),
    "a capital Text (SMPPSim)": (USUAL.replace("text", "Text"), "0123456789", Verdict.DELIVERED, "000", DONE),
    "all capitals": (USUAL.upper(), "0123456789", Verdict.DELIVERED, "000", DONE),
    "all small": (USUAL.lower(), "0123456789", Verdict.DELIVERED, "000", DONE),
    "no text": (USUAL.partition(" text")[0], "0123456789", Verdict.DELIVERED, "000", DONE),
    "a text cut within its name": (USUAL.partition("xt:")[0], "0123456789", Verdict.DELIVERED, "000", DONE),
    "without sub and dlvrd, hexadecimal id, years of four digits": (
        "id:2E179B310EDE971B2760C72B7F026E1B submit date:20261122043000 done date:20261122043100 stat:UNDELIV err:5",
        "2E179B310EDE971B2760C72B7F026E1B",
        Verdict.FAILED,
        "5",
        DONE,
    ),
    "an UUID, seconds (Clickatell)": (
        (
            "id:74e02ee1-4e2f-4a6e-a78b-4b247d756a22 sub:001 dlvrd:001 submit date:261122043000 done date:261122043100"
            " stat:DELIVRD err:000 text:"
        ),
        "74e02ee1-4e2f-4a6e-a78b-4b247d756a22",
        Verdict.DELIVERED,
        "000",
        DONE,
    ),
    "names without spaces, no date (OpenMarket)": (
        (
            "id:0118Z-0122I-2309U sub:000 dlvrd:000 submitdate:261122043000 donedate:000000000000 stat:REJECTD err:375"
            " text:"
        ),
        "0118Z-0122I-2309U",
        Verdict.FAILED,
        "375",
        None,
    ),
    "moments of SMPP (smppex#46)": (
        "id:rdwjwx sub:000 dlvrd:000 submit date:261122043000012+ done date:261122073100012+ stat:UNDELIV err:000",
        "rdwjwx",
        Verdict.FAILED,
        "UNDELIV",
        DONE,
    ),
    "another order, the state behind the text": (
        "sub:001 id:abc err:000 dlvrd:001 done date:2611220431 submit date:2611220430 text: stat:DELIVRD",
        "abc",
        Verdict.DELIVERED,
        "000",
        DONE,
    ),
    "spaces behind the colon (php-smpp#29)": (
        "id: abc sub: 1 dlvrd: 0 submit date: 2611220430 done date: 2611220431 stat: EXPIRED err: 0 text: ",
        "abc",
        Verdict.FAILED,
        "EXPIRED",
        DONE,
    ),
    "four digits of code": (USUAL.replace("err:000", "err:0000"), "0123456789", Verdict.DELIVERED, "0000", DONE),
    "no code": ("id:abc stat:EXPIRED", "abc", Verdict.FAILED, "EXPIRED", None),
    "lines": ("id:abc\r\nstat:ACCEPTD\r\nerr:001\r\n", "abc", Verdict.PENDING, "001", None),
    "long names": (
        "id:abc submit_date:2611220430 done_date:2026-11-22 04:31:00 status:Undelivered error:21",
        "abc",
        Verdict.FAILED,
        "21",
        DONE,
    ),
    "a word that nobody knows": ("id:abc stat:TELEPORTD err:000", "abc", Verdict.PENDING, "000", None),
    "no state": ("id:abc err:000", "abc", Verdict.PENDING, "000", None),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_receipts_are_read_as_smscs_write_them(variant: str) -> None:
    text, carrier_ref, verdict, code, at = VARIANTS[variant]

    told = read(text)

    assert (told.carrier_ref, told.verdict, told.code, told.at) == (carrier_ref, verdict, code, at)


def test_the_quick_way_and_the_slow_way_read_the_same() -> None:
    assert reports._any_fields(USUAL) == reports._fields(message(USUAL))


def test_a_receipt_in_ucs_2_is_read() -> None:
    [told] = hear(Reading(), "acme", message(USUAL.encode("utf-16-be"), data_coding=8), NOW).receipts

    assert (told.carrier_ref, told.verdict) == ("0123456789", Verdict.DELIVERED)


def test_parameters_go_before_the_text() -> None:
    tlvs = pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"38601fa\0") + pdu.tlv(Tag.MESSAGE_STATE, bytes([MessageState.EXPIRED]))

    told = read(USUAL, tlvs=tlvs)

    assert (told.carrier_ref, told.verdict, told.code) == ("38601fa", Verdict.FAILED, "EXPIRED")
    assert told.raw.endswith("err:000 receipted_message_id:3338363031666100 message_state:03")


def test_a_receipt_may_consist_of_parameters_alone() -> None:
    tlvs = (
        pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"abc")
        + pdu.tlv(Tag.MESSAGE_STATE, bytes([MessageState.UNDELIVERABLE]))
        + pdu.tlv(Tag.NETWORK_ERROR_CODE, b"\3\0\x1b")
    )

    told = read("", tlvs=tlvs, esm_class=0)

    assert (told.carrier_ref, told.verdict, told.code) == ("abc", Verdict.FAILED, "net3-27")


def test_a_parameter_that_is_cut_off_leaves_the_text() -> None:
    # an SMSC's real fault: a length of 0x0041 before five octets
    broken = pdu.tlv(Tag.MESSAGE_STATE, b"\2") + bytes.fromhex("001e0041") + b"3005\0"

    assert read("id:0000003005 stat:DELIVRD err:000 te", tlvs=broken).carrier_ref == "0000003005"


def test_ids_meet_those_of_the_submits() -> None:
    rules = References((), (Step.DEC_TO_HEX,), ())

    assert read("id:0059113978 stat:DELIVRD", Reading(rules)).carrier_ref == "38601fa"
    tagged = read("id:0059113978", Reading(rules), tlvs=pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"38601fa\0"))
    assert tagged.carrier_ref == "38601fa"


@pytest.mark.parametrize("state", MessageState)
def test_every_state_has_a_verdict_by_number_and_by_word(state: MessageState) -> None:
    by_number = read("id:abc", tlvs=pdu.tlv(Tag.MESSAGE_STATE, bytes([state])))
    by_word = read(f"id:abc stat:{NAMES[state]}")

    assert by_number.verdict == by_word.verdict == STATES[state]
    assert by_number.key == by_word.key


def test_the_tables_are_complete() -> None:
    assert set(STATES) == set(NAMES) == set(MessageState)
    assert not set(SYNONYMS) & set(NAMES.values())


def test_an_intermediate_notification_fails_nothing() -> None:
    assert read("id:abc stat:UNDELIV err:027", esm_class=0x20).verdict is Verdict.PENDING
    assert read("id:abc stat:DELIVRD err:000", esm_class=0x20).verdict is Verdict.DELIVERED


@pytest.mark.parametrize("esm_class", [0x08, 0x10])
def test_an_acknowledgement_of_the_handset_means_delivered(esm_class: int) -> None:
    assert read("", tlvs=pdu.tlv(Tag.RECEIPTED_MESSAGE_ID, b"abc\0"), esm_class=esm_class).verdict is Verdict.DELIVERED
    assert read("id:abc stat:UNDELIV", esm_class=esm_class).verdict is Verdict.FAILED


def test_the_same_report_has_the_same_key_and_another_one_another() -> None:
    of_an_id_given_out_anew = USUAL.replace("done date:2611220431", "done date:2612220431")

    assert read(USUAL + " ").key == read(USUAL).key
    assert read(of_an_id_given_out_anew).key != read(USUAL).key
    assert read(USUAL.replace("DELIVRD", "ENROUTE")).key != read(USUAL).key
    assert read(USUAL.replace("0123456789", "1123456789")).key != read(USUAL).key


def test_our_reference_is_taken_where_it_is_echoed() -> None:
    ref = uuid4()
    reading = Reading(reference_tag=0x1400)

    assert read("id:abc", tlvs=pdu.tlv(Tag.USER_MESSAGE_REFERENCE, ref.bytes)).ref == ref
    assert read("", reading, tlvs=pdu.tlv(0x1400, str(ref).encode() + b"\0")).ref == ref
    assert read("id:abc", reading, tlvs=pdu.tlv(0x1400, ref.hex.encode())).ref == ref
    assert read("id:abc", tlvs=pdu.tlv(Tag.USER_MESSAGE_REFERENCE, b"\1\2")).ref is None


def test_a_receipt_that_names_no_message_is_refused() -> None:
    with pytest.raises(ValueError, match="of which message") as refused:
        read("sub:001 stat:DELIVRD text:hello")

    assert "hello" not in str(refused.value)


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
def test_nothing_of_the_text_is_kept(text: str) -> None:
    told = read(text)

    assert "hunter2" not in repr(told)
    assert (told.carrier_ref, told.verdict) == ("abc", Verdict.DELIVERED)


def test_codes_after_which_another_carrier_may_do_better_are_a_setting() -> None:
    reading = reports.read(Options("acme", {"retryable_codes": "011, REJECTD"}))

    assert read("id:abc stat:UNDELIV err:011", reading).retryable
    assert read("id:abc stat:REJECTD err:012", reading).retryable
    assert not read("id:abc stat:UNDELIV err:012", reading).retryable
    assert not read("id:abc stat:DELIVRD err:011", reading).retryable


def test_settings_say_how_receipts_are_read() -> None:
    options = Options("acme", {"receipt_utc_offset": 120, "reference_tag": 0x1400, "submit_ids": "lower"})

    reading = reports.read(options, Alphabet.LATIN1)

    options.finish()
    assert reading == Reading(
        References((Step.LOWER,)), timedelta(hours=2), 0x1400, frozenset(), alphabet=Alphabet.LATIN1
    )
    assert read("id:abc done date:2611220631", reading).at == DONE


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
def test_what_is_about_our_message_is_told_from_what_a_handset_wrote(
    esm_class: int, tlvs: bytes, is_receipt: bool
) -> None:
    heard = hear(Reading(), "acme", message("id:abc stat:DELIVRD", esm_class, tlvs), NOW)

    assert (len(heard.receipts), len(heard.inbound)) == ((1, 0) if is_receipt else (0, 1))


def test_a_handset_cannot_write_a_receipt() -> None:
    heard = hear(Reading(), "acme", message(USUAL, esm_class=0), NOW)

    assert heard.inbound[0].body == USUAL


fields = st.sampled_from(["id:abc", "stat:DELIVRD", "err:", "done date:", "text:", "2611220431", " ", "\0", "=", "é"])


@unhurried
@given(
    st.one_of(st.binary(max_size=200), st.lists(fields, max_size=12).map(lambda some: "".join(some).encode())),
    st.integers(0, 255),
    st.integers(0, 255),
    st.dictionaries(st.sampled_from([*Tag, 0x1400]), st.binary(max_size=80), max_size=4),
)
def test_whatever_is_said_is_read_or_refused_with_a_value_error(
    text: bytes, esm_class: int, data_coding: int, tlvs: dict[int, bytes]
) -> None:
    octets = b"".join(pdu.tlv(tag, value) for tag, value in tlvs.items())
    try:
        heard = hear(Reading(reference_tag=0x1400), "acme", message(text, esm_class, octets, data_coding), NOW)
    except ValueError:
        return

    for told in heard.receipts:
        assert told.raw.isprintable()
        assert told.key.isprintable()
        assert told.ref is None or isinstance(told.ref, UUID)
        assert len(told.raw) < 2000
