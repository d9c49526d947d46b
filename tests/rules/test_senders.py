"""Sender ids: their valid forms, and the choice by country."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.numbers.senders import choose, is_sender


@pytest.mark.parametrize(
    "word",
    ["ACME", "A", "Acme Bank", "7eleven", "AT&T", "a.b_c-d", "12345678A", "ABCDEFGHIJK"],
)
def test_up_to_eleven_letters_and_digits_are_a_valid_sender_id(word: str) -> None:
    assert is_sender(word)


@pytest.mark.parametrize("word", ["811", "+123", "447911123456", "+2348012345678", "123456789012345"])
def test_a_number_and_a_short_code_are_valid_sender_ids(word: str) -> None:
    assert is_sender(word)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param("", id="nothing"),
        pytest.param(" ACME", id="a blank first"),
        pytest.param("ABCDEFGHIJKL", id="twelve characters"),
        pytest.param("12", id="two digits"),
        pytest.param("1234567890123456", id="sixteen digits"),
        pytest.param("+ACME", id="a plus and letters"),
        pytest.param("++234", id="two pluses"),
        pytest.param("234+", id="a plus behind"),
        pytest.param("Café", id="an accent"),
        pytest.param("АСМЕ", id="Cyrillic lookalikes"),
        pytest.param("٨١١", id="digits of another script"),
        pytest.param("ACME\n", id="a line feed behind"),
        pytest.param("811\n", id="a number and a line feed"),
        pytest.param("AC\tME", id="a tab"),
        pytest.param("AC\x00ME", id="NUL"),
        pytest.param("ACME😀", id="an emoji"),
        pytest.param("1 2", id="digits and a blank"),
    ],
)
def test_any_other_text_is_not_a_valid_sender_id(word: str) -> None:
    assert not is_sender(word)


@given(st.text())
def test_every_valid_sender_id_is_short_printable_ascii(word: str) -> None:
    assert not is_sender(word) or (word.isascii() and word.isprintable() and 1 <= len(word) <= 16)


EVERYWHERE, GERMAN, NORDIC = ("All", ()), ("German", ("DE",)), ("Nordic", ("NO", "SE", "DK"))


@pytest.mark.parametrize(
    ("wished", "approved", "country", "chosen"),
    [
        pytest.param((), [], "DE", None, id="none at all"),
        pytest.param(("All",), [], "DE", None, id="a wish and none"),
        pytest.param((), [EVERYWHERE, GERMAN], "DE", "All", id="the first"),
        pytest.param((), [GERMAN, EVERYWHERE], "SE", "All", id="the first that is approved there"),
        pytest.param((), [GERMAN, NORDIC], "SE", "Nordic", id="one of several countries"),
        pytest.param(("German",), [EVERYWHERE, GERMAN], "DE", "German", id="the wished"),
        pytest.param(("German",), [EVERYWHERE, GERMAN], "SE", "All", id="not the wished where it is not approved"),
        pytest.param(("Other", "German"), [EVERYWHERE, GERMAN], "DE", "German", id="the next wish"),
        pytest.param(("German",), [GERMAN, NORDIC], "FR", None, id="nowhere near"),
        pytest.param((), [GERMAN], "", None, id="a number of no country"),
        pytest.param((), [EVERYWHERE], "", "All", id="a number of no country, a sender of all"),
    ],
)
def test_the_sender_id_chosen_is_one_approved_for_the_recipient_s_country(
    wished: tuple[str, ...], approved: list[tuple[str, tuple[str, ...]]], country: str, chosen: str | None
) -> None:
    assert choose(wished, approved, country) == chosen
