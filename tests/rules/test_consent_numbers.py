"""Canonical numbers for consent: the same for all forms a list, a carrier or a handset uses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rules.consent import consent_numbers
from pipeline.rules.consent.consent_numbers import StatedNumber, canonical, forms, of_mobile, read, sender, spellings
from pipeline.rules.numbers import phones

GB = "+447400123126"
#: (old form, today's)
FOLDS = {
    "Mexico": ("+5215512345678", "+525512345678"),
    "Argentina": ("+541123456789", "+5491123456789"),
    "Brazil": ("+551187654321", "+5511987654321"),
    "Côte d'Ivoire, Moov": ("+22501234567", "+2250101234567"),
    "Côte d'Ivoire, MTN": ("+22545123456", "+2250545123456"),
    "Côte d'Ivoire, Orange": ("+22507123456", "+2250707123456"),
    "Benin": ("+22997123456", "+2290197123456"),
    "Cameroon": ("+23777123456", "+237677123456"),
    "Gabon": ("+2417123456", "+24177123456"),
    "Viet Nam": ("+841201234567", "+84701234567"),
}
#: (as it came, home, what was said of it, canonical)
REPORTED = {
    "national with its trunk's 0": ("07400123126", "GB", StatedNumber.NATIONAL, GB),
    "national without": ("7400123126", "GB", StatedNumber.NATIONAL, GB),
    "national with the country code": ("447400123126", "GB", StatedNumber.NATIONAL, GB),
    "nothing said, 00": ("00447400123126", "GB", StatedNumber.UNKNOWN, GB),
    "nothing said, 00, no home": ("00447400123126", "", StatedNumber.UNKNOWN, GB),
    "nothing said, country code": ("447400123126", "", StatedNumber.UNKNOWN, GB),
    "nothing said, national": ("07400123126", "GB", StatedNumber.UNKNOWN, GB),
    "nothing said, a plus": (GB, "", StatedNumber.UNKNOWN, GB),
    "a plus before a national number": ("+07400123126", "GB", StatedNumber.UNKNOWN, GB),
    "a plus before 00": ("+00447400123126", "", StatedNumber.UNKNOWN, GB),
    "international": ("447400123126", "", StatedNumber.INTERNATIONAL, GB),
    "international, 00": ("00447400123126", "", StatedNumber.INTERNATIONAL, GB),
    "international, and is not": ("07400123126", "GB", StatedNumber.INTERNATIONAL, GB),
    "a 0 before the country code": ("0447400123126", "GB", StatedNumber.UNKNOWN, GB),
    "a name of digits": ("447400123126", "GB", StatedNumber.OTHER, GB),
    "punctuation": ("+44 (0)7400 123-126", "", StatedNumber.UNKNOWN, GB),
    "another country's, at home": ("31612345678", "GB", StatedNumber.UNKNOWN, "+31612345678"),
    "another country's, called national": ("0031612345678", "GB", StatedNumber.NATIONAL, "+31612345678"),
    "America's 011": ("011447400123126", "US", StatedNumber.UNKNOWN, GB),
    "America's ten digits": ("6505551234", "US", StatedNumber.UNKNOWN, "+16505551234"),
    "Russia's 8": ("89161234567", "RU", StatedNumber.NATIONAL, "+79161234567"),
    "Argentina's 15": ("011 15 2345 6789", "AR", StatedNumber.NATIONAL, "+5491123456789"),
    "Mexico's old form at home": ("15512345678", "MX", StatedNumber.NATIONAL, "+525512345678"),
    "Côte d'Ivoire's old form at home": ("07123456", "CI", StatedNumber.NATIONAL, "+2250707123456"),
    "Brazil's old form at home": ("01187654321", "BR", StatedNumber.NATIONAL, "+5511987654321"),
    "Mexico's 044 and 045 before mobiles": ("0445512345678", "MX", StatedNumber.NATIONAL, "+525512345678"),
    "Mexico's 01": ("015512345678", "MX", StatedNumber.UNKNOWN, "+525512345678"),
    "a 0 that begins no foreign number": ("0447400123126", "MX", StatedNumber.NATIONAL, "0447400123126"),
    "a URI": ("tel:+447400123126", "", StatedNumber.UNKNOWN, GB),
    "a URI of a national number": ("TEL:07400-123126;phone-context=+44", "GB", StatedNumber.UNKNOWN, GB),
    "Arabic's digits": (
        "\u0660\u0667\u0664\u0660\u0660\u0661\u0662\u0663\u0661\u0662\u0666",
        "GB",
        StatedNumber.UNKNOWN,
        GB,
    ),
    "full-width ones": (
        "\uff0b\uff14\uff14\uff17\uff14\uff10\uff10\uff11\uff12\uff13\uff11\uff12\uff16",
        "",
        StatedNumber.UNKNOWN,
        GB,
    ),
    "a new range at home": ("07700900100", "GB", StatedNumber.NATIONAL, "+447700900100"),
    "a new range at home, of which nothing is said": ("07700900100", "GB", StatedNumber.UNKNOWN, "+447700900100"),
    "a new range at home without its 0": ("7700900100", "GB", StatedNumber.NATIONAL, "+447700900100"),
    "a short code that is called national": ("6055512", "GB", StatedNumber.NATIONAL, "6055512"),
    "a new range abroad": ("999012345678", "", StatedNumber.INTERNATIONAL, "+999012345678"),
    "a short code": ("60555", "GB", StatedNumber.OTHER, "60555"),
    "a short code of which nothing is said": ("60555", "GB", StatedNumber.UNKNOWN, "60555"),
    "a name": ("ACME", "GB", StatedNumber.OTHER, "ACME"),
    "national, and nobody knows where": ("07400123126", "", StatedNumber.NATIONAL, "07400123126"),
    "nothing": ("", "GB", StatedNumber.INTERNATIONAL, ""),
}


@pytest.mark.parametrize(("old", "now"), FOLDS.values(), ids=FOLDS)
def test_a_number_in_an_old_format_of_its_country_has_its_current_format_as_canonical_number(
    old: str, now: str
) -> None:
    assert canonical(old) == canonical(now) == now
    assert old in forms(now)
    assert read(old) == read(f" {old[:5]} {old[5:]}") == now
    assert of_mobile(old[1:], said=StatedNumber.INTERNATIONAL) == now


@pytest.mark.parametrize(("written", "home", "said", "number"), REPORTED.values(), ids=REPORTED)
def test_a_source_addr_is_read_by_its_ton_and_the_carrier_s_home_country(
    written: str, home: str, said: StatedNumber, number: str
) -> None:
    assert of_mobile(written, home, said) == number


@given(st.sampled_from([*consent_numbers._FOLDS, "+234", "+1"]), st.text("0123456789", min_size=6, max_size=11))
def test_the_canonical_number_of_a_canonical_number_is_itself(head: str, rest: str) -> None:
    assert canonical(canonical(head + rest)) == canonical(head + rest)
    assert all(canonical(form) == canonical(head + rest) for form in forms(canonical(head + rest)))


@given(st.text(max_size=30), st.sampled_from(["", "GB", "MX", "US", "CI"]), st.sampled_from(StatedNumber))
def test_any_source_addr_that_was_read_as_e164_is_read_unchanged_again(
    written: str, home: str, said: StatedNumber
) -> None:
    reported = of_mobile(written, home, said)

    assert (
        not reported.startswith("+") or of_mobile(reported, home) == reported or phones.normalise([reported]) == [None]
    )


def test_a_sender_that_is_an_international_number_gets_its_plus() -> None:
    assert [sender(each) for each in ("447700900100", "+447700900100", "00447700900100")] == ["+447700900100"] * 3
    assert [sender(each) for each in ("60555", "ACME", "", "07700900100")] == ["60555", "ACME", "", "07700900100"]


def test_a_destination_addr_is_looked_up_in_each_format_that_a_sender_may_be_registered_in() -> None:
    assert set(spellings("+447700900100")) >= {"+447700900100", "447700900100", "07700900100", "00447700900100"}
    assert "60555" in spellings("60555")
    assert spellings("") == ["", "+"]


def test_numbers_of_an_opt_out_list_are_read_as_dialled_in_the_given_country() -> None:
    assert [read(each, "CI") for each in ("07123456", "0707123456", "+447400123126", "x")] == [
        "+2250707123456",
        "+2250707123456",
        GB,
        None,
    ]
