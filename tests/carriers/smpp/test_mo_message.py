"""MO messages: texts in every coding, and parts of concatenated ones."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.carriers.smpp import mo_message, pdu
from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.mo_message import PartPosition, decode
from pipeline.carriers.smpp.text_encoding import UDHI, Alphabet
from pipeline.rules.text import gsm7
from schema.carriage import Inbound


def events(text: bytes, esm_class: int = 0, data_coding: int = 0, tlvs: bytes = b"") -> pdu.MessagePdu:
    return pdu.read_message(
        pdu.message(
            pdu.address("source_addr", 1, 1, "31612345678"),
            pdu.address("destination_addr", 3, 0, "60555"),
            text,
            esm_class=esm_class,
            data_coding=data_coding,
            tlvs=tlvs,
        )
    )


def read(message: pdu.MessagePdu, alphabet: Alphabet = Alphabet.GSM7, home: str = "") -> Inbound:
    return mo_message.read("acme", message, alphabet, home)


def test_an_mo_message_has_its_phone_its_sender_and_its_body() -> None:
    reported = read(events(b"STOP"))

    assert (reported.carrier, reported.phone, reported.sender, reported.body) == (
        "acme",
        "+31612345678",
        "60555",
        "STOP",
    )
    assert (reported.at, reported.part_ref, reported.part, reported.of) == (None, None, None, None)


@pytest.mark.parametrize(
    ("octets", "data_coding", "alphabet", "text"),
    [
        ("00011b65", 0, Alphabet.GSM7, "@£€"),
        ("4080", 0, Alphabet.GSM7, "¡\ufffd"),
        ("40e9", 0, Alphabet.LATIN1, "@é"),
        ("e8329bfd4697d9ec37", 0, Alphabet.GSM7_PACKED, "hellohello"),
        ("68e9", 1, Alphabet.GSM7, "h\ufffd"),
        ("40e9", 3, Alphabet.GSM7, "@é"),
        ("bfe0", 6, Alphabet.GSM7, "Пр"),
        ("e0", 7, Alphabet.GSM7, "א"),
        ("042fd83ddc4d", 8, Alphabet.GSM7, "Я👍"),
        ("042f04", 8, Alphabet.GSM7, "Я\ufffd"),
        ("d83d0041", 8, Alphabet.GSM7, "\ufffdA"),
        ("00000041", 8, Alphabet.GSM7, "\ufffdA"),
        ("42e9", 4, Alphabet.GSM7, "Bé"),
        ("00", 0x10, Alphabet.GSM7, "@"),
        ("042f", 0x18, Alphabet.GSM7, "Я"),
        ("42e9", 0xF5, Alphabet.GSM7, "Bé"),
        ("00", 0xF1, Alphabet.GSM7, "@"),
        ("00", 0xC8, Alphabet.GSM7, "@"),
        ("042f", 0xE0, Alphabet.GSM7, "Я"),
    ],
)
def test_a_text_is_decoded_by_its_data_coding_and_the_carrier_s_alphabet(
    octets: str, data_coding: int, alphabet: Alphabet, text: str
) -> None:
    assert decode(bytes.fromhex(octets), data_coding, alphabet) == text


@pytest.mark.parametrize(
    ("header", "place"),
    [
        ("0500037a0302", PartPosition(0x7A, 2, 3)),
        ("060804a1b20302", PartPosition(0xA1B2, 2, 3)),
        ("0b0504010102020003070201", PartPosition(7, 1, 2)),
        ("0500037a0100", None),
        ("0500037a0203", None),
        ("0500037a0101", None),
        ("0500047a0302", None),
        ("020003", None),
        ("00", None),
    ],
)
def test_the_udh_gives_reference_number_and_count_of_a_message_part(header: str, place: PartPosition | None) -> None:
    reported = read(events(bytes.fromhex(header) + b"hello", UDHI))

    assert reported.body == "hello"
    assert (reported.part_ref, reported.part, reported.of) == (
        (place.ref, place.part, place.of) if place else (None, None, None)
    )


def test_the_sar_tlvs_give_reference_number_and_count_of_a_message_part() -> None:
    sar = pdu.tlv(Tag.SAR_MSG_REF_NUM, b"\xa1\xb2") + pdu.tlv(Tag.SAR_TOTAL_SEGMENTS, b"\3")

    reported = read(events(b"hello", tlvs=sar + pdu.tlv(Tag.SAR_SEGMENT_SEQNUM, b"\2")))

    assert (reported.part_ref, reported.part, reported.of) == (0xA1B2, 2, 3)
    assert read(events(b"hello", tlvs=sar)).part is None


def test_a_packed_gsm_7_part_is_decoded_after_its_fill_bits() -> None:
    header = bytes.fromhex("0500037a0302")
    packed = gsm7.pack(gsm7.encode("hello {there}"), gsm7.fill_bits(6))

    assert read(events(header + packed, UDHI), Alphabet.GSM7_PACKED).body == "hello {there}"


def test_a_udh_longer_than_its_message_is_read_as_text() -> None:
    assert read(events(b"STOP", UDHI)).body == "STOP"
    assert read(events(b"", UDHI)).body == ""


@pytest.mark.parametrize("header", ["0500037a0201", "0608047a010201"])
def test_a_udh_is_recognised_also_without_the_udhi_bit_in_esm_class(header: str) -> None:
    reported = read(events(bytes.fromhex(header) + b"STOP"))

    assert (reported.body, reported.part, reported.of) == ("STOP", 1, 2)
    assert read(events(bytes.fromhex("0500037a0203") + b"STOP")).part is None


def test_a_text_with_the_udhi_bit_but_without_a_udh_is_read_as_text() -> None:
    text = b"Stop texting me. " * 9

    assert read(events(text, UDHI)).body == text.decode()


def test_the_key_of_an_mo_message_depends_on_its_content_and_does_not_contain_it() -> None:
    message = events(b"STOP")

    assert read(message).key == read(events(b"STOP")).key
    assert read(events(b"START")).key != read(message).key
    first, second = (events(bytes.fromhex(f"0500037a020{number}") + b"a", UDHI) for number in (1, 2))
    assert read(first).key != read(second).key
    assert "STOP" not in read(message).key


@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 255), st.sampled_from(Alphabet))
def test_any_octets_are_read_as_a_storable_mo_message(
    text: bytes, esm_class: int, data_coding: int, alphabet: Alphabet
) -> None:
    reported = read(events(text, esm_class, data_coding), alphabet)

    reported.body.encode()
    assert "\0" not in reported.body
    assert reported.part is None or (reported.of and 1 <= reported.part <= reported.of)
