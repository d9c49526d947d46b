"""Respelling texts in GSM-7: characters with an equivalent are replaced, all others stay."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.text import gsm7
from pipeline.rules.text.respelling import respell
from pipeline.rules.text.segments import measure


@pytest.mark.parametrize(
    ("text", "respelt"),
    [
        ("“Hello” – it’s here…", '"Hello" - it\'s here...'),
        ("10\u00a0% off\u200b", "10 % off"),
        ("ＣＯＤＥ １２３４", "CODE 1234"),
        ("é à Ω €", "é à Ω €"),
        ("Łukasz ☺ ê", "Łukasz ☺ ê"),
        ("", ""),
    ],
)
def test_typographic_characters_are_replaced(text: str, respelt: str) -> None:
    assert respell(text) == respelt


@given(st.text())
def test_no_gsm_7_character_is_replaced(text: str) -> None:
    kept = "".join(char for char in text if char in gsm7.SPELLED)

    assert respell(kept) == kept


@given(st.text())
def test_respelling_is_idempotent(text: str) -> None:
    assert respell(respell(text)) == respell(text)


@given(st.text(st.sampled_from("“”’–\u00a0１Ａabc é☺"), max_size=200))
def test_respelling_does_not_increase_the_number_of_segments(text: str) -> None:
    [before], [after] = measure([text]), measure([respell(text)])

    assert after.segments <= before.segments
