"""Phone numbers: unambiguous ones are parsed as by libphonenumber; anything else is refused with a reason."""

from collections.abc import Iterator
from random import Random

import phonenumbers
import pytest
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumberFormat,
    PhoneNumberType,
    ValidationResult,
)

from pipeline.rules.numbers import number_syntax
from pipeline.rules.numbers.phones import LONGEST, Phone, normalise, phone_fault, sharing

NON_GEOGRAPHIC = "001"

#: codes that several countries share: whose number it is hangs on its digits
SHARED = [code for code, regions in COUNTRY_CODE_TO_REGION_CODE.items() if len(regions) > 1]

FULL_WIDTH = {ord(sign): ord(sign) + 0xFEE0 for sign in "+0123456789"}
ARABIC_INDIC = {ord(digit): 0x0660 + int(digit) for digit in "0123456789"}

READ = {
    "E.164": ("+2348031234567", "+2348031234567"),
    "blanks, brackets, dashes": ("+1 (416) 555-0123", "+14165550123"),
    "dots and slashes": ("+49.30/12.34.56.78", "+493012345678"),
    "typeset: no-break blanks, long dashes": ("+234\u00a0803\u2013123\u20114567", "+2348031234567"),
    "bracketed plus": ("(+234) 803 123 4567", "+2348031234567"),
    "national prefix in brackets": ("+44 (0)7400 123456", "+447400123456"),
    "national prefix that is none": ("+7 800 555 35 35", "+78005553535"),
    "zeros that belong to it": ("+39 06 6982 0000", "+390669820000"),
    "carrier's code": ("+55 0 31 85 2222 2222", "+558522222222"),
    "mobile token in the wrong place": ("+54 0343 15 555 1212", "+5493435551212"),
    "no country's": ("+800 1234 5678", "+80012345678"),
    "full-width": ("+2348031234567".translate(FULL_WIDTH), "+2348031234567"),
    "Arabic-Indic": ("+2348031234567".translate(ARABIC_INDIC), "+2348031234567"),
    "digits of two scripts": ("+234" + "8031234567".translate(ARABIC_INDIC), "+2348031234567"),
    "marks of direction at its ends": ("\u202a+2348031234567\u202c", "+2348031234567"),
    "control characters at its ends": ("\x00\r\n+2348031234567\t\x00", "+2348031234567"),
}

UNSEEN = {
    "a soft hyphen": "+234803\u00ad1234567",
    "a zero width space": "+234\u200b8031234567",
    "a joiner": "+234803\u200d1234567",
    "a mark of direction": "+234\u200e8031234567",
    "a byte order mark": "\ufeff+2348031234567",
    "narrow no-break blanks": "+234\u202f803\u202f1234567",
}

#: what a dialler may make something of, and a sender must not; and what its fault says of it
MEANT = {
    "a spreadsheet's float": ("+436641234567.0", "decimal number"),
    "a float with a comma": ("+436641234567,0", "decimal number"),
    "a float without its plus": ("436641234567.00", "decimal number"),
    "a float in groups": ("+2 348 031 234 567.0", "decimal number"),
    "a float with two zeros": ("+234 803 123 4567.00", "decimal number"),
    "a float with a thousand's commas": ("+2,348,031,234,567.0", "decimal number"),
    "scientific": ("4.36641E+11", "scientific"),
    "scientific, with a comma": ("4,36641e11", "scientific"),
    "scientific, with a plus": ("+4.36641E+11", "scientific"),
    "a formula": ("=+436641234567", "formula"),
    "a formula of text": ('="+436641234567"', "formula"),
    "an apostrophe": ("'+436641234567", "apostrophe"),
    "a quotation mark": ('"+436641234567"', "quotation mark"),
    "a word behind": ("+2348031234567 (Mum)", "letters"),
    "a word before": ("Tel: +234 803 123 4567", "link"),
    "a name before": ("Ada +234 803 123 4567", "letters"),
    "a label": ("+2348031234567 (2)", "extension or a second"),
    "a range": ("+43 664 1234567/8", "extension or a second"),
    "a longer range": ("+43 664 1234567/89", "extension or a second"),
    "a range with a dash": ("+43 664 1234567-8", "extension or a second"),
    "two numbers, a slash": ("+43 664 1234567/1234568", "extension or a second"),
    "two numbers, a comma": ("+2348031234567, +2348031234568", "more than one"),
    "two numbers, a blank": ("+2348031234567 +2348031234568", "more than one"),
    "two numbers, a line": ("+2348031234567\n+2348031234568", "more than one"),
    "two numbers, a semicolon": ("+2348031234567;2348031234568", "extension"),
    "two numbers, a bar": ("+2348031234567|2348031234568", "more than one"),
    "two numbers, a word": ("+2348031234567 or +2348031234568", "letters"),
    "two numbers, a tilde": ("+2348031234567~8", "more than one"),
    "an extension of three digits": ("+43 664 1234567 890", "extension or a second"),
    "an extension of three digits, no blanks before": ("+436641234567 890", "extension or a second"),
    "an extension of three digits, a dash": ("+49 89 1234567-890", "extension or a second"),
    "an extension of four digits": ("+49 30 1234567 8901", "extension or a second"),
    "a range, blanks around its dash": ("+49 89 / 123 45 67 - 8", "extension or a second"),
    "thousands": ("+436,641,234,567", "more than one"),
    "extension": ("+44 20 7946 0018 ext. 5", "extension"),
    "extension, no blank": ("+442079460018ext5", "extension"),
    "extension, x": ("+1 416 555 0123 x5", "extension"),
    "extension, hash": ("+1 416 555 0123 #5", "extension"),
    "extension, RFC 3966": ("+14165550123;ext=5", "extension"),
    "letters": ("+1 800 FLOWERS", "letters"),
    "an O for a zero": ("+23480312345O7", "letters"),
    "URI": ("tel:803-123-4567;phone-context=+234", "link"),
    "URI, global": ("tel:+2348031234567", "link"),
    "two pluses": ("++2348031234567", "more than one"),
    "a plus in the middle": ("+234 803 +123 4567", "more than one"),
    "a minus before": ("-2348031234567", "sign before"),
    "a star code": ("*31#+2348031234567", "more than one"),
    "a bracket alone": ("+44 (0 20 7946 0018", "bracket"),
    "local only": ("+12345678", "area code"),
    "too long": ("+234 803 123 4567 89012", "too long"),
    "too short": ("+234 803", "too short"),
    "no calling code": ("+999 803 123 4567", "calling code"),
    "national": ("0803 123 4567", "national, or"),
    "without its plus": ("2348031234567", "national, or"),
    "nothing": ("", "it is empty"),
    "much": ("+2348031234567".ljust(LONGEST + 1, "0"), "at most"),
}

#: a short last group that is part of the number
GROUPED = {
    "three digits behind five": ("+49 30 12345 678", "+493012345678"),
    "three behind seven, none of which is a number": ("+91 9876543 210", "+919876543210"),
    "four behind seven": ("+55 1191234 5678", "+5511912345678"),
    "four behind four": ("+86 138 0013 8000", "+8613800138000"),
    "a pair behind a dash": ("+7 921 123-45-67", "+79211234567"),
}

SLASHES = {
    "German": ("+49 30/12345678", "+493012345678"),
    "Austrian": ("+43 664/1234567", "+436641234567"),
    "trunk zero": ("+43 (0)664/123 45 67", "+436641234567"),
    "American": ("+1 416/555-0123", "+14165550123"),
}

NOT_READ = {
    "nothing": "",
    "a plus": "+",
    "blanks": "   ",
    "a word": "mother",
    "an address": "ada@example.com",
    "no plus": "2348031234567",
    "national": "0803 123 4567",
    "no calling code": "+999 803 123 4567",
    "zero after the plus": "+0803 123 4567",
    "two digits": "+23",
    "too short": "+234 803",
    "too long": "+234 803 123 4567 89012",
    "plus in the middle": "+234 803 +123 4567",
    "two numbers": "+2348031234567, +2348031234568",
    "NUL in the middle": "+234803\x001234567",
    "line feed in the middle": "+234803\n1234567",
    "tab in the middle": "+234\t8031234567",
    "half a surrogate in the middle": "+234803\ud8001234567",
    "emoji": "📱📱📱",
    "superscript": "+²³⁴8031234567",
    "markup": "<script>+</script>",
    "SQL": "'; DROP TABLE messages; --",
}

REGIONS = {
    "home": ("NG", "0803 123 4567", Phone("+2348031234567", "NG", True)),
    "home, with what one dials to go abroad": ("NG", "009 44 7400 123456", Phone("+447400123456", "GB", True)),
    "home, calling code without plus": ("NG", "2348031234567", Phone("+2348031234567", "NG", True)),
    "home, a slash": ("AT", "0664/1234567", Phone("+436641234567", "AT", True)),
    "home, a stray plus before it": ("NG", "+0803 123 4567", None),
    "home, a stray plus before what goes abroad": ("NG", "+009 44 7400 123456", Phone("+447400123456", "GB", True)),
    "abroad": ("NG", "+44 7400 123456", Phone("+447400123456", "GB", True)),
    "one that shares its calling code": ("KZ", "8 701 234 5678", Phone("+77012345678", "KZ", True)),
    "nowhere": ("ZZ", "0803 123 4567", None),
    "small letters": ("ng", "0803 123 4567", None),
}


@pytest.mark.parametrize(("text", "e164"), READ.values(), ids=READ)
def test_a_number_is_read_in_each_usual_format(text: str, e164: str) -> None:
    [phone] = normalise([text])

    assert phone is not None
    assert phone.e164 == e164
    assert phone == library(text)


@pytest.mark.parametrize("text", NOT_READ.values(), ids=NOT_READ)
def test_a_text_that_is_not_a_number_is_read_as_none(text: str) -> None:
    assert normalise([text]) == [None]

    assert library(text) is None


@pytest.mark.parametrize(("region", "text", "phone"), REGIONS.values(), ids=REGIONS)
def test_a_number_without_a_plus_is_read_as_dialled_in_its_region(region: str, text: str, phone: Phone | None) -> None:
    assert normalise([text], region) == [phone]

    assert library(text, region) == phone


def test_a_number_without_a_plus_that_may_belong_to_another_country_is_refused() -> None:
    assert phonenumbers.is_possible_number(phonenumbers.parse("4915112345678", "AT"))

    assert normalise(["4915112345678"], "AT") == [None]
    assert "no known number of AT" in phone_fault("4915112345678", "AT")


@pytest.mark.parametrize("text", UNSEEN.values(), ids=UNSEEN)
def test_invisible_characters_in_a_number_are_ignored(text: str) -> None:
    assert normalise([text]) == [Phone("+2348031234567", "NG", True)]


@pytest.mark.parametrize(("text", "e164"), SLASHES.values(), ids=SLASHES)
def test_a_slash_after_the_area_code_is_accepted(text: str, e164: str) -> None:
    assert [phone and phone.e164 for phone in normalise([text])] == [e164]


@pytest.mark.parametrize(("text", "e164"), GROUPED.values(), ids=GROUPED)
def test_a_short_last_group_is_accepted_if_the_digits_before_it_are_not_a_number(text: str, e164: str) -> None:
    assert [phone and phone.e164 for phone in normalise([text])] == [e164]


def test_digits_after_a_complete_national_number_are_refused() -> None:
    assert normalise(["0664 1234567 890", "0664 123 4567"], "AT") == [None, Phone("+436641234567", "AT", True)]


@pytest.mark.parametrize(("text", "words"), MEANT.values(), ids=MEANT)
def test_a_text_with_an_extension_or_other_meaning_beyond_its_digits_is_refused_with_a_reason(
    text: str, words: str
) -> None:
    assert normalise([text]) == [None]

    assert words in phone_fault(text)


def test_the_reason_why_a_number_is_refused_repeats_nothing_of_its_text() -> None:
    for text, _ in MEANT.values():
        assert not any(part in phone_fault(text) for part in ("664", "803", "234", "Mum", "Ada", "555"))


def test_all_countries_that_share_a_calling_code_are_returned() -> None:
    assert sharing("+2348031234567") == ("NG",)
    assert {"GB", "GG", "JE", "IM"} == set(sharing("+447911123456"))
    assert {"US", "CA", "JM"} < set(sharing("+14165550123"))
    assert sharing("+80012345678") == sharing("+999") == ()


def test_common_numbers_are_parsed_without_calling_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["+2348031234567", "+1 (416) 555-0123", "+44 (0)7400 123456", "+5493435551212", "+39 06.6982.0000"]
    monkeypatch.delattr(phonenumbers, "parse")

    phones = normalise(texts)

    assert [phone and phone.country for phone in phones] == ["NG", "CA", "GB", "AR", "VA"]


def test_parsed_numbers_are_in_the_order_of_their_texts() -> None:
    texts = iter(["+14165550123", "nobody", "+2348031234567", "+14165550123"])

    phones = normalise(texts)

    toronto = Phone("+14165550123", "CA", True)
    assert phones == [toronto, None, Phone("+2348031234567", "NG", True), toronto]


def test_a_possible_number_outside_known_ranges_is_marked_as_unknown() -> None:
    assert normalise(["+2340001234567"]) == [Phone("+2340001234567", "NG", False)]


def test_a_number_that_belongs_to_no_single_country_has_none() -> None:
    world, undecided = normalise(["+80012345678", "+10001234567"])

    assert world == Phone("+80012345678", "", True)
    assert undecided == Phone("+10001234567", "", False)


def test_a_text_over_the_length_limit_is_refused_although_the_library_parses_it() -> None:
    text = "+2348031234567".ljust(LONGEST)

    assert normalise([text, text + " "]) == [Phone("+2348031234567", "NG", True), None]


@pytest.mark.parametrize("seed", [1, 2])
def test_numbers_of_every_calling_code_are_parsed_as_by_the_library(seed: int) -> None:
    random = Random(seed)
    texts = [text for code in COUNTRY_CODE_TO_REGION_CODE for text in numbers_of(code, random, mutants=8, guesses=40)]

    phones = normalise(texts)

    assert len(texts) > 20_000
    assert differences(texts, phones) == []


@pytest.mark.parametrize("code", SHARED)
def test_countries_that_share_a_calling_code_are_distinguished_as_by_the_library(code: int) -> None:
    random = Random(code)
    texts = [*numbers_of(code, random, mutants=10, guesses=100), *every_beginning(code, random)]

    phones = normalise(texts)

    assert differences(texts, phones) == []


@pytest.mark.parametrize("region", ["NG", "US", "GB", "IT", "AR", "BR", "RU", "KZ", "SM", "GG", "ZZ", "001", "us"])
def test_national_numbers_of_a_region_are_parsed_as_by_the_library(region: str) -> None:
    random = Random(region)
    code = phonenumbers.country_code_for_region(region) or 234
    texts = [national(text, random) for text in numbers_of(code, random, mutants=3, guesses=60)]

    phones = normalise(texts, region)

    assert differences(texts, phones, region) == []


def test_a_number_with_a_sign_at_any_position_is_parsed_as_by_the_library() -> None:
    number = "+2348031234567"
    signs = [chr(code) for code in (*range(0x100), *range(0x2000, 0x2070), 0x30FC, 0xFF0B, 0xFF0D)]
    texts = [number[:at] + sign + number[at:] for sign in signs for at in (0, 1, 4, 7, len(number))]

    phones = normalise(texts)

    assert differences(texts, phones) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_hostile_texts_are_parsed_as_by_the_library_or_refused(seed: int) -> None:
    random = Random(seed)
    texts = [hostile(random) for _ in range(3_000)]

    phones = normalise(texts)

    assert differences(texts, phones) == []
    for text, phone in zip(texts, phones, strict=True):
        # nothing behind a number is dropped, nothing is dialled
        assert phone is None or "".join(str(int(sign)) for sign in text if sign.isdecimal()).endswith(phone.e164[-6:])


def library(text: str, region: str | None = None) -> Phone | None:
    """Return what libphonenumber says of what is plainly one number, asked in its plainest way."""
    text = number_syntax.tidy(text)
    if number_syntax.fault(text, region):
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    if "+" not in text and not phonenumbers.is_valid_number(number):
        return None
    country = phonenumbers.region_code_for_number(number)
    return Phone(
        e164=phonenumbers.format_number(number, PhoneNumberFormat.E164),
        country="" if country in (None, NON_GEOGRAPHIC) else country,
        known=phonenumbers.is_valid_number(number),
    )


def differences(
    texts: list[str], phones: list[Phone | None], region: str | None = None
) -> list[tuple[str, Phone | None, Phone | None]]:
    """Return each text that we read otherwise than the library, with our word and its own."""
    answers = ((text, phone, library(text, region)) for text, phone in zip(texts, phones, strict=True))
    return [answer for answer in answers if answer[1] != answer[2]]


def numbers_of(code: int, random: Random, mutants: int, guesses: int) -> Iterator[str]:
    """Yield numbers under a calling code: every kind's example, near misses of it, and digits at random."""
    for example in examples(code):
        yield f"+{code}{example}"
        for _ in range(mutants):
            yield punctuated(code, mutant(example, random), random)
    for _ in range(guesses):
        yield punctuated(code, digits(random.randint(0, 18), random), random)


def examples(code: int) -> list[str]:
    """Return one number of each kind in each country under a calling code, without the code."""
    if COUNTRY_CODE_TO_REGION_CODE[code] == (NON_GEOGRAPHIC,):
        found = [phonenumbers.example_number_for_non_geo_entity(code)]
    else:
        kinds = PhoneNumberType.values()
        regions = COUNTRY_CODE_TO_REGION_CODE[code]
        found = [phonenumbers.example_number_for_type(region, kind) for region in regions for kind in kinds]
    return [phonenumbers.national_significant_number(number) for number in found if number]


def mutant(number: str, random: Random) -> str:
    """Return the number with digits changed, lost, added, or dialled with a prefix as at home."""
    at = random.randrange(len(number))
    return random.choice(
        [
            number[:at] + digits(1, random) + number[at + 1 :],
            number[:at] + digits(len(number) - at, random),
            number[:at] + number[at + 1 :],
            number[:at],
            number + digits(random.randint(1, 3), random),
            random.choice(["0", "1", "8", "00", "06", "15", "90", "031", "0015"]) + number,
        ]
    )


def every_beginning(code: int, random: Random) -> Iterator[str]:
    """Yield a number for each three first digits, as long as the calling code's numbers mostly are."""
    regions = COUNTRY_CODE_TO_REGION_CODE[code]
    table = PhoneMetadata.metadata_for_region(regions[0])
    assert table is not None
    assert table.general_desc is not None
    for beginning in range(1000):
        length = random.choice(table.general_desc.possible_length)
        yield f"+{code}{beginning:03}{digits(max(0, length - 3), random)}"


def punctuated(code: int, number: str, random: Random) -> str:
    """Return the number as people write it."""
    a, b = sorted(random.randint(0, len(number)) for _ in range(2))
    return random.choice(
        [
            f"+{code}{number}",
            f"+{code} {number[:a]} {number[a:]}",
            f"+{code}-{number[:a]}-{number[a:b]}-{number[b:]}",
            f"+{code} ({number[:a]}) {number[a:b]}.{number[b:]}",
            f"(+{code}) {number}",
            f"+{code} (0){number}",
            f" +{code}/{number[:b]}\u2013{number[b:]} ",
        ]
    )


def national(text: str, random: Random) -> str:
    """Return the number as it is dialled at home or from abroad, or as it was."""
    bare = text.replace("+", "", 1)
    return random.choice([text, bare, "0" + bare[3:], bare[2:], "00" + bare, "011" + bare, "+0" + bare])


def hostile(random: Random) -> str:
    """Return a text with something of a number in it."""
    signs = [*"++++03٣\u0967² -()[]./*~#,;x_é😀", *"\x00\t\n\x7f\u00ad\u200b\u202e\u2060\u30fc\ud800"]
    words = ["+234", "803", "1234567", "+1", "44", "00", "ext", "tel:", ";ext=", ";phone-context=", ";isub=", "CALL"]
    return "".join(random.choices(signs + words * 2, k=random.randint(1, 12)))[:LONGEST]


def digits(count: int, random: Random) -> str:
    return "".join(random.choices("0123456789", k=count))
