"""A STOP is detected in any coding, whatever coding is stated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.text import gsm7
from pipeline.rules.text.text_codings import GSM7, OCTETS, UCS2, decode

CODED = {
    "septets": (b"STOP", GSM7, "STOP"),
    "Latin-1 called septets": ("Arrêt".encode("latin-1"), GSM7, "Arrêt"),
    "UTF-8 called septets": ("Arrêt".encode(), GSM7, "Arrêt"),
    "UCS-2 called septets": ("Stop".encode(UCS2), GSM7, "Stop"),
    "UCS-2 of Cyrillic called septets": ("СТОП".encode(UCS2), GSM7, "СТОП"),
    "packed septets called septets": (gsm7.pack(gsm7.encode("STOP")), GSM7, "STOP"),
    "a packed TD called septets": (gsm7.pack(gsm7.encode("TD")), GSM7, "TD"),
    "two letters that packed septets might have": (b"Tb", GSM7, "Tb"),
    "UCS-2": ("Stop".encode(UCS2), UCS2, "Stop"),
    "UCS-2 with its mark": (b"\xfe\xff" + "Stop".encode(UCS2), UCS2, "Stop"),
    "UCS-2 with its mark, turned round": (b"\xff\xfe" + "Stop".encode("utf-16-le"), UCS2, "Stop"),
    "UCS-2 turned round": ("STOP".encode("utf-16-le"), UCS2, "STOP"),
    "ASCII called UCS-2": (b"STOP", UCS2, "STOP"),
    "ASCII called UCS-2, of odd length": (b"STOPP", UCS2, "STOPP"),
    "ASCII called octets": (b"stop", OCTETS, "stop"),
    "UCS-2 called octets": ("إيقاف".encode(UCS2), OCTETS, "إيقاف"),
    "UTF-8 called Latin-1": ("стоп".encode(), "latin-1", "стоп"),
    "no STOP": ("卓佐さん".encode(UCS2), UCS2, "卓佐さん"),
}


@pytest.mark.parametrize(("octets", "coding", "text"), CODED.values(), ids=CODED)
def test_a_text_is_decoded_by_its_actual_coding_whatever_coding_is_stated(
    octets: bytes, coding: str, text: str
) -> None:
    assert decode(octets, coding) == text


@given(st.binary(max_size=400), st.sampled_from([GSM7, UCS2, OCTETS, "ascii", "shift_jis", "iso2022_jp"]))
def test_any_octets_are_decoded_to_storable_text(octets: bytes, coding: str) -> None:
    text = decode(octets, coding)

    text.encode()
    assert "\0" not in text
