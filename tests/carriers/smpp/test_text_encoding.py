"""Text encoding for submit_sm: number of parts, where they are split, octets, concatenation."""

from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.carriers.setting_reader import SettingReader
from pipeline.carriers.smpp import mo_message, pdu, text_encoding
from pipeline.carriers.smpp.codes import Tag
from pipeline.carriers.smpp.text_encoding import UDHI, Alphabet, EncodedPart, LongMessageMode, TextOptions, parts
from pipeline.errors import ConfigurationError
from pipeline.rules.text import gsm7
from pipeline.rules.text.segments import measure, split
from schema.carriage import Parcel
from schema.message_class import MessageClass
from schema.vocabulary import Encoding

unhurried = settings(deadline=None, max_examples=150)
REF = UUID("0190163d-8694-739b-aea5-966c26f8a1b2")

gsm = st.text(st.sampled_from(sorted(gsm7.SPELLED)), max_size=500)
mixed = st.text(st.sampled_from("aЯ👍€ß@"), max_size=300)
bodies = st.one_of(gsm, mixed)


def parcel(body: str, ref: UUID = REF) -> Parcel:
    [measured] = measure([body])
    return Parcel(
        ref, "+31612345678", "Postroad", body, measured.encoding, measured.segments, MessageClass.TRANSACTIONAL
    )


def as_message(part: EncodedPart) -> pdu.MessagePdu:
    """Return the part as the SMSC reads it."""
    return pdu.read_message(
        pdu.message(
            pdu.address("source_addr", 5, 0, "Postroad"),
            pdu.address("destination_addr", 1, 1, "31612345678"),
            part.text,
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            tlvs=part.tlvs,
        )
    )


def place(part: EncodedPart) -> mo_message.PartPosition | None:
    events = as_message(part)
    if part.esm_class & UDHI:
        return mo_message.place_by_header(part.text[: 1 + part.text[0]])
    return mo_message.place_by_parameters(events)


def text_of(part: EncodedPart, style: TextOptions) -> str:
    text = as_message(part).text
    header = 1 + text[0] if part.esm_class & UDHI else 0
    coding = 3 if style.alphabet is Alphabet.LATIN1 and part.data_coding != 8 else part.data_coding
    return mo_message.as_coded(text[header:], coding, style.alphabet, header)


@pytest.mark.parametrize(
    ("body", "style", "written", "coding"),
    [
        ("@£ {", TextOptions(), "0001201b28", 0),
        ("hello", TextOptions(), "68656c6c6f", 0),
        ("hellohello", TextOptions(Alphabet.GSM7_PACKED), "e8329bfd4697d9ec37", 0),
        ("@£ {", TextOptions(Alphabet.LATIN1, gsm7_data_coding=3), "40a3207b", 3),
        ("Δ", TextOptions(Alphabet.LATIN1, gsm7_data_coding=3), "0394", 8),
        ("Я👍", TextOptions(), "042fd83ddc4d", 8),
        ("Я", TextOptions(Alphabet.LATIN1), "042f", 8),
        ("", TextOptions(), "", 0),
    ],
)
def test_a_short_message_is_encoded_as_one_part(body: str, style: TextOptions, written: str, coding: int) -> None:
    assert parts(style, parcel(body)) == [EncodedPart(bytes.fromhex(written), coding)]


def test_parts_of_a_long_message_have_a_udh_with_an_8_bit_reference() -> None:
    first, second = parts(TextOptions(), parcel("a" * 200))

    assert first == EncodedPart(bytes.fromhex("050003b20201") + b"a" * 153, 0, UDHI)
    assert second == EncodedPart(bytes.fromhex("050003b20202") + b"a" * 47, 0, UDHI)


def test_a_udh_may_have_a_16_bit_reference() -> None:
    first, second = parts(TextOptions(long=LongMessageMode.UDH16), parcel("a" * 200))

    assert first == EncodedPart(bytes.fromhex("060804a1b20201") + b"a" * 152, 0, UDHI)
    assert second == EncodedPart(bytes.fromhex("060804a1b20202") + b"a" * 48, 0, UDHI)


@pytest.mark.parametrize("body", ["a" * 306, "Я" * 134])
def test_an_8_bit_reference_is_used_where_a_16_bit_one_would_need_another_part(body: str) -> None:
    written = parts(TextOptions(long=LongMessageMode.UDH16), parcel(body))

    assert len(written) == 2
    assert written[0].text.startswith(bytes.fromhex("050003b20201"))


def test_parts_may_be_concatenated_by_sar_tlvs() -> None:
    first, second = parts(TextOptions(long=LongMessageMode.SAR), parcel("Я" * 100))

    assert first.text.decode("utf-16-be") == "Я" * 67
    assert first.esm_class == second.esm_class == 0
    assert pdu.read_tlvs(first.tlvs) == {
        Tag.SAR_MSG_REF_NUM: b"\xa1\xb2",
        Tag.SAR_TOTAL_SEGMENTS: b"\2",
        Tag.SAR_SEGMENT_SEQNUM: b"\1",
    }
    assert pdu.read_tlvs(second.tlvs)[Tag.SAR_SEGMENT_SEQNUM] == b"\2"


def test_a_long_message_may_be_sent_whole_in_message_payload() -> None:
    [part] = parts(TextOptions(long=LongMessageMode.PAYLOAD), parcel("a" * 1000))

    assert part == EncodedPart(b"", 0, tlvs=pdu.tlv(Tag.MESSAGE_PAYLOAD, b"a" * 1000))
    assert parts(TextOptions(long=LongMessageMode.PAYLOAD), parcel("hello")) == [EncodedPart(b"hello", 0)]


def test_the_text_of_a_packed_part_begins_after_fill_bits() -> None:
    first, _ = parts(TextOptions(Alphabet.GSM7_PACKED), parcel("a" * 200))

    # 6 octets of header, one bit, 153 septets: 140 octets to the bit
    assert len(first.text) == 140
    assert gsm7.unpack(first.text[6:], 153, fill=1) == b"a" * 153


def test_seven_spare_bits_of_a_packed_text_are_not_decoded_as_an_at_sign() -> None:
    [part] = parts(TextOptions(Alphabet.GSM7_PACKED), parcel("1234567"))

    assert gsm7.unpack(part.text, 8) == b"1234567\r"
    assert text_of(part, TextOptions(Alphabet.GSM7_PACKED)) == "1234567"


def test_the_concatenation_reference_is_the_same_at_every_attempt_and_differs_between_messages() -> None:
    ref = uuid4()
    neighbour = UUID(int=ref.int ^ 1)

    assert parts(TextOptions(), parcel("a" * 200, ref)) == parts(TextOptions(), parcel("a" * 200, ref))
    assert place(parts(TextOptions(), parcel("a" * 200, ref))[0]) != place(
        parts(TextOptions(), parcel("a" * 200, neighbour))[0]
    )


@unhurried
@given(
    bodies,
    st.sampled_from(Alphabet),
    st.sampled_from([LongMessageMode.UDH8, LongMessageMode.UDH16, LongMessageMode.SAR]),
)
def test_there_are_as_many_parts_as_billed_segments_and_they_decode_to_the_body(
    body: str, alphabet: Alphabet, long: LongMessageMode
) -> None:
    style, sent = TextOptions(alphabet, long), parcel(body)

    written = parts(style, sent)

    if alphabet is not Alphabet.LATIN1 or not any(char > "\xff" for char in body):
        assert len(written) == sent.segments
    if alphabet is not Alphabet.GSM7_PACKED or not body.endswith("\r"):
        assert "".join(text_of(part, style) for part in written) == body
    places = [place(part) for part in written]
    expected = [(number, len(written)) for number in range(1, len(written) + 1)]
    assert [(at.part, at.of) for at in places if at] == (expected if len(written) > 1 else [])
    assert len({at.ref for at in places if at}) <= 1
    if alphabet is Alphabet.GSM7_PACKED or sent.encoding is Encoding.UCS2:
        assert all(len(part.text) <= 140 for part in written)


@unhurried
@given(bodies)
def test_a_body_is_split_where_its_segments_were_counted(body: str) -> None:
    written = [text_of(part, TextOptions()) for part in parts(TextOptions(), parcel(body))]

    assert written == split(body)


@unhurried
@given(gsm)
def test_a_text_that_latin_1_cannot_encode_is_sent_in_ucs_2(body: str) -> None:
    style = TextOptions(Alphabet.LATIN1, gsm7_data_coding=3)

    written = parts(style, parcel(body))

    foreign = any(char > "\xff" for char in body)
    assert {part.data_coding for part in written} == {8 if foreign else 3}
    assert all(len(part.text) <= 140 for part in written if foreign)


def test_a_message_of_more_than_255_parts_is_refused() -> None:
    with pytest.raises(ValueError, match="255 parts"):
        parts(TextOptions(), parcel("a" * (153 * 255 + 1)))
    with pytest.raises(ValueError, match="65535"):
        parts(TextOptions(long=LongMessageMode.PAYLOAD), parcel("a" * 65536))


def test_text_options_are_read_from_a_carrier_s_settings() -> None:
    usual = text_encoding.read(SettingReader("acme", {}))
    latin1 = text_encoding.read(SettingReader("acme", {"alphabet": "latin1", "long": "sar", "ucs2_data_coding": 24}))

    assert usual == TextOptions(Alphabet.GSM7, LongMessageMode.UDH8, 0, 8)
    assert latin1 == TextOptions(Alphabet.LATIN1, LongMessageMode.SAR, 3, 24)
    with pytest.raises(ConfigurationError, match="carrier acme: long must be one of udh8, udh16, sar, payload"):
        text_encoding.read(SettingReader("acme", {"long": "udh32"}))
