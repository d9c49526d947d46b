"""Canonical phone numbers for consent: one form per number, whatever form a list, a carrier or a handset uses.

Some countries lengthened or shortened their mobile numbers, and address books, carriers and lists still hold the old
forms. `canonical` converts those into the current form; `of_mobile` parses the number a carrier gives of a handset.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import cache
from typing import NamedTuple

import phonenumbers

from pipeline.rules.numbers import phones


class _Fold(NamedTuple):
    """A renumbering: regular expressions of the old and the new form, and their replacements."""

    old: re.Pattern[str]
    now: str
    new: re.Pattern[str]
    before: str


def _fold(old: str, now: str, new: str, before: str) -> _Fold:
    return _Fold(re.compile(old), now, re.compile(new), before)


def _prefixes(code: str, pairs: str, rest: int) -> list[_Fold]:
    """Return the rules of a country that changed leading digits, `120:70` and so on, before `rest` further digits."""
    return [
        _fold(
            rf"\+{code}{old}([0-9]{{{rest}}})",
            rf"+{code}{new}\1",
            rf"\+{code}{new}([0-9]{{{rest}}})",
            rf"+{code}{old}\1",
        )
        for old, _, new in (pair.partition(":") for pair in pairs.split())
    ]


#: the first three characters of a number → renumberings that may apply
_FOLDS: dict[str, list[_Fold]] = {
    # Mexico, IFT, 3 August 2019: no 1 before mobiles
    "+52": [_fold(r"\+521([0-9]{10})", r"+52\1", r"\+52([0-9]{10})", r"+521\1")],
    # Argentina, ENACOM, Plan Fundamental de Numeración: a mobile has a 9 from abroad; no line has its other digits
    "+54": [_fold(r"\+54([1-3][0-9]{9})", r"+549\1", r"\+549([1-3][0-9]{9})", r"+54\1")],
    # Brazil, Anatel, Resolução 553/2010, done in November 2016: a 9 before the eight digits of mobiles
    "+55": [_fold(r"\+55([0-9]{2})([6-9][0-9]{7})", r"+55\g<1>9\2", r"\+55([0-9]{2})9([6-9][0-9]{7})", r"+55\1\2")],
    "+22": [
        # Côte d'Ivoire, ARTCI, 31 January 2021: 01, 05 or 07 before mobiles, whose second digit was the operator's
        _fold(r"\+225([04-9][0-3][0-9]{6})", r"+22501\1", r"\+22501([04-9][0-3][0-9]{6})", r"+225\1"),
        _fold(r"\+225([04-9][4-6][0-9]{6})", r"+22505\1", r"\+22505([04-9][4-6][0-9]{6})", r"+225\1"),
        _fold(r"\+225([04-9][7-9][0-9]{6})", r"+22507\1", r"\+22507([04-9][7-9][0-9]{6})", r"+225\1"),
        # Benin, ARCEP, 30 November 2024: 01 before all
        _fold(r"\+229([2-9][0-9]{7})", r"+22901\1", r"\+22901([2-9][0-9]{7})", r"+229\1"),
    ],
    # Cameroon, ART, 21 November 2014: a 6 before mobiles
    "+23": [_fold(r"\+237([5-9][0-9]{7})", r"+2376\1", r"\+2376([5-9][0-9]{7})", r"+237\1")],
    # Gabon, ARCEP, 2019: two digits for the one of each operator, with the trunk's 0 or without
    "+24": [*_prefixes("241", "2:62 4:74 5:65 6:66 7:77 02:62 04:74 05:65 06:66 07:77", 6)],
    # Viet Nam, Ministry of Information and Communications, September to November 2018: eleven digits became ten
    "+84": _prefixes(
        "84",
        "162:32 163:33 164:34 165:35 166:36 167:37 168:38 169:39 120:70 121:79 122:77 126:76 128:78 123:83 124:84 "
        "125:85 127:81 129:82 186:56 188:58 199:59",
        7,
    ),
}


def canonical(number: str) -> str:
    """Return the canonical form of a number (E.164); anything else unchanged."""
    for fold in _FOLDS.get(number[:3], ()):
        if found := fold.old.fullmatch(number):
            return found.expand(fold.now)
    return number


def read(written: str, region: str | None = None) -> str | None:
    """Return the canonical form of a number, given in an old or current form; None where it is not a number.

    `region` (ISO 3166-1 alpha-2) is where numbers without a plus are dialled.
    """
    number = written.translate(_PUNCTUATION)
    if is_abroad := number.startswith("00") and not region:
        number = f"+{number.removeprefix('00')}"
    folded = canonical(number)
    [phone] = phones.normalise([folded if is_abroad or folded != number else written], region)
    if phone is None and region and number[:1] != "+":
        return next(_of_home(number, region), None)
    return canonical(phone.e164) if phone else None


def forms(number: str) -> list[str]:
    """Return the E.164 forms of a number in its canonical form, current form first, then old ones."""
    olds = (found.expand(fold.before) for fold in _FOLDS.get(number[:3], ()) if (found := fold.new.fullmatch(number)))
    return [number, *olds]


def sender(written: str) -> str:
    """Return the canonical form of a sender: a number has its plus, anything else is unchanged."""
    if written[:1] in "+0123456789" and (found := _SENDER.fullmatch(written)):
        return canonical(f"+{found[1]}")
    return written


def spellings(written: str) -> list[str]:
    """Return how an MO's recipient may be registered as sender: with plus or without, with 00, national, old forms."""
    bare = written.removeprefix("+")
    found = {written, bare, f"+{bare}"}
    for form in forms(canonical(f"+{bare}")) if bare.isdecimal() and len(bare) >= SHORTEST else ():
        found.update((form, form[1:], f"00{form[1:]}", *_at_home(form)))
    return sorted(found)


# Numbers of handsets, as carriers give them ----------------------------------------------------------------------


class StatedNumber(StrEnum):
    """The number format that a carrier states (SMPP's type of number)."""

    #: with its country code
    INTERNATIONAL = "international"
    #: national, as dialled in the carrier's country
    NATIONAL = "national"
    #: not stated
    UNKNOWN = "unknown"
    #: a short code or a name
    OTHER = "other"


#: minimum digits of a number; shorter ones are short codes
SHORTEST = 7
#: digits from which a number stated as OTHER or UNKNOWN is taken to have its country code
_LONG = 10
#: … and one stated as NATIONAL to lack only its trunk 0
_NATIONAL = 9
_SENDER = re.compile(r"(?:\+|00)?([1-9][0-9]{8,14})")
_PUNCTUATION = dict.fromkeys(map(ord, " \t\u00a0()[]./-\u2010\u2011\u2012\u2013\u2014"))
_DIGITS = re.compile(r"\+?[0-9]{1,20}", re.ASCII)
#: URIs of numbers (RFC 3966, RFC 5724), used by OMA's OneAPI and APIs derived from it
_URI = re.compile(r"(?:tel|sms):(?://)?([^;?@]*)(?:[;?].*)?", re.IGNORECASE)
#: country → trunk prefixes that its numbering plan no longer has: in Mexico up to 3 August 2019
_ONCE_DIALLED = {"MX": re.compile(r"0(?:44|45|1)(?=[0-9]{10}$)")}


def of_mobile(written: str, home: str = "", said: StatedNumber = StatedNumber.UNKNOWN) -> str:
    """Return the canonical form of a number given by a carrier; a short code or a name unchanged.

    `home` (ISO 3166-1 alpha-2, or "") is the carrier's country: numbers without a country code are dialled there.
    """
    number = _bare(written)
    if not _DIGITS.fullmatch(number):
        return written
    digits = number.removeprefix("+")
    is_full = number != digits or said is StatedNumber.INTERNATIONAL
    if len(digits) < (_LONG if said is StatedNumber.OTHER and not is_full else SHORTEST):
        return f"+{digits}" if is_full else written
    known, possible = _read_as_phone(_readings(digits, home, is_full, said is StatedNumber.NATIONAL and bool(home)))
    if known:
        return known
    is_complete = is_full or (said is not StatedNumber.NATIONAL and len(digits) >= _LONG)
    if is_complete and digits[0] != "0":
        return canonical(f"+{digits}")
    return possible if home and possible else written


def _bare(written: str) -> str:
    """Return a number without its URI scheme and its punctuation, its digits in ASCII."""
    uri = _URI.fullmatch(written)
    return _in_ascii((uri[1] if uri else written).translate(_PUNCTUATION).strip("\0"))


def _read_as_phone(readings: Iterable[str]) -> tuple[str, str]:
    """Return the first number in use, and the first that may be one until then, in canonical form; "" where none is."""
    possible = ""
    for reading in readings:
        [phone] = phones.normalise([canonical(reading)])
        if phone and phone.known:
            return canonical(phone.e164), possible
        possible = possible or (canonical(phone.e164) if phone else "")
    return "", possible


def _in_ascii(number: str) -> str:
    """Return a number with digits of any script (Arabic, Persian, full-width) in ASCII."""
    if number.isascii():
        return number
    return "".join(str(unicodedata.digit(sign)) if sign.isdecimal() else sign for sign in number).replace("\uff0b", "+")


def _readings(digits: str, home: str, is_full: bool, is_home: bool) -> Iterator[str]:
    """Yield the numbers that digits may stand for, with a plus, the likeliest first."""
    abroad = f"+{digits.removeprefix('00')}"
    if is_full or digits.startswith("00"):
        yield abroad
    yield from _of_home(digits, home)
    yield from _of_a_new_range(digits, home, is_home)
    if not is_full:
        yield abroad
    if digits[0] == "0" and not is_home:  # no international number begins with a trunk 0
        yield f"+{digits.lstrip('0')}"


def _of_home(digits: str, home: str) -> Iterator[str]:
    if not home:
        return
    if home in _ONCE_DIALLED:
        digits = _ONCE_DIALLED[home].sub("", digits)
    [phone] = phones.normalise([digits], home)
    if phone:
        yield phone.e164
    # phonenumbers does not parse old forms
    code = phonenumbers.country_code_for_region(home)
    yield from (form for form in _unfolded(f"+{code}{digits}", f"+{code}{digits.lstrip('0')}") if form)


def _of_a_new_range(digits: str, home: str, is_home: bool) -> Iterator[str]:
    """Yield national numbers of ranges that phonenumbers does not know yet: a trunk 0 identifies them."""
    if not home:
        return
    code = phonenumbers.country_code_for_region(home)
    trunk = _trunk(code)
    if trunk == "0" and digits[0] == "0" and digits[:2] != "00":
        yield f"+{code}{digits[1:]}"
    elif is_home and len(digits) >= _NATIONAL and digits[0] != "0":
        yield f"+{code}{digits}"


def _unfolded(*numbers: str) -> Iterable[str]:
    return (folded for number in numbers if (folded := canonical(number)) != number)


@cache
def _trunk(code: int) -> str:
    region = phonenumbers.region_code_for_country_code(code)
    table = phonenumbers.PhoneMetadata.metadata_for_region(region)
    return (table.national_prefix or "") if table else ""


def _at_home(number: str) -> Iterator[str]:
    """Yield the national forms of a number."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return
    digits = phonenumbers.national_significant_number(parsed)
    yield digits
    yield _trunk(parsed.country_code or 0) + digits
