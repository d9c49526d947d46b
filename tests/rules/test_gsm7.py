"""GSM-7: which characters it can encode, and to what bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.rules.text import gsm7
from pipeline.rules.text.gsm7 import decode, encode, fill_bits, foreign, pack, septets, unpack

unhurried = settings(deadline=None, max_examples=300)
spelled = st.text(st.sampled_from(sorted(gsm7.SPELLED)), max_size=400)
anything = st.text(st.characters(), max_size=60)


def test_the_alphabet_has_127_characters_and_the_extension_table_ten() -> None:
    assert len(gsm7.BASIC) == 128
    assert gsm7.BASIC[gsm7.ESCAPE] == "\x1b"
    assert len(gsm7.SPELLED) == 127 + 10
    assert set(gsm7.EXTENSION.values()) == set("^{}\\[~]|€\f")


@pytest.mark.parametrize(
    ("char", "written"),
    [
        ("@", "00"),
        ("$", "02"),
        ("Ç", "09"),
        ("\n", "0a"),
        ("\r", "0d"),
        ("_", "11"),
        ("É", "1f"),
        (" ", "20"),
        ("¤", "24"),
        ("¡", "40"),
        ("A", "41"),
        ("§", "5f"),
        ("¿", "60"),
        ("a", "61"),
        ("à", "7f"),
        ("\f", "1b0a"),
        ("^", "1b14"),
        ("{", "1b28"),
        ("}", "1b29"),
        ("\\", "1b2f"),
        ("[", "1b3c"),
        ("~", "1b3d"),
        ("]", "1b3e"),
        ("|", "1b40"),
        ("€", "1b65"),
    ],
)
def test_a_character_has_the_septets_of_the_standard(char: str, written: str) -> None:
    assert encode(char).hex() == written
    assert septets(char) == len(written) // 2
    assert decode(bytes.fromhex(written)) == char


@pytest.mark.parametrize(
    "char", ["`", "\t", "\0", "\x1b", "\x7f", "ç", "á", "\u2019", "\u00a0", "\u0391", "Ж", "漢", "😀", "\ud800"]
)
def test_a_character_outside_the_gsm_7_tables_cannot_be_encoded(char: str) -> None:
    body = f"caffè {char} 10 €"

    assert septets(body) is None
    assert foreign(body) == char
    with pytest.raises(ValueError, match="not in the GSM-7 alphabet"):
        encode(body)


def test_foreign_returns_each_character_outside_gsm_7_once_in_order_of_appearance() -> None:
    assert foreign("“Ждём” `вас` Ж“ at 10 €") == "“Ждём”`вас"
    assert foreign("we are at [home]") == ""


@given(anything)
@unhurried
def test_a_body_has_septets_exactly_when_all_its_characters_are_in_gsm_7(body: str) -> None:
    assert (septets(body) is None) == bool(foreign(body)) == any(char not in gsm7.SPELLED for char in body)


@given(spelled)
@unhurried
def test_decoding_an_encoded_body_returns_the_body(body: str) -> None:
    written = encode(body)

    assert len(written) == septets(body)
    assert max(written, default=0) < 0x80
    assert decode(written) == body


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (b"a\x1bab", "aab"),
        (b"a\x1b\x1bb", "a b"),
        (b"a\x1b", "a "),
        (b"\x1b\x00", "@"),
        (b"\x1b\x1b\x1b\x65", " €"),
        (b"", ""),
    ],
)
def test_an_undefined_escape_sequence_is_decoded_as_3gpp_ts_23_038_specifies(written: bytes, read: str) -> None:
    assert decode(written) == read


def test_decoding_a_byte_over_0x7f_is_refused() -> None:
    with pytest.raises(ValueError, match="can't decode"):
        decode(b"abc\x80")


@pytest.mark.parametrize(
    ("body", "fill", "packed"),
    [
        ("", 0, ""),
        ("hello", 0, "e8329bfd06"),
        ("hellohello", 0, "e8329bfd4697d9ec37"),
        ("1234567", 0, "31d98c56b3dd00"),
        ("12345678", 0, "31d98c56b3dd70"),
        ("hello world", 1, "d06536fb0dbabfe56c32"),
        ("€", 0, "9b32"),
    ],
)
def test_packed_octets_equal_those_of_published_examples(body: str, fill: int, packed: str) -> None:
    assert pack(encode(body), fill).hex() == packed


@given(st.binary(max_size=160).map(lambda raw: bytes(byte & 0x7F for byte in raw)), st.integers(0, 6))
@unhurried
def test_unpacking_packed_septets_returns_them(plain: bytes, fill: int) -> None:
    octets = pack(plain, fill)

    assert len(octets) == -(-(fill + 7 * len(plain)) // 8)
    assert "".join(f"{octet:08b}"[::-1] for octet in octets).startswith(
        "0" * fill + "".join(f"{septet:07b}"[::-1] for septet in plain)
    )
    assert unpack(octets, len(plain), fill) == plain


def test_the_septet_count_distinguishes_a_final_at_sign_from_spare_bits() -> None:
    octets = pack(encode("1234567@"))

    assert unpack(octets, 8) == encode("1234567@")
    assert unpack(octets, 7) == encode("1234567")


def test_unpacking_more_septets_than_the_octets_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="do not hold"):
        unpack(b"\x00" * 7, 8, fill=1)


@pytest.mark.parametrize(("header", "bits"), [(0, 0), (6, 1), (7, 0), (8, 6), (12, 2)])
def test_fill_bits_after_the_udh_align_to_a_septet_boundary(header: int, bits: int) -> None:
    assert fill_bits(header) == bits
    assert (8 * header + bits) % 7 == 0


def test_a_part_of_140_octets_holds_153_septets_with_a_six_octet_udh() -> None:
    assert 6 + len(pack(b"a" * 153, fill_bits(6))) == 140
