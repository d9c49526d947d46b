"""Parses phone numbers into E.164: the results of libphonenumber, from its metadata compiled to regular expressions.

The library evaluates its metadata for each number: 15 to 60 µs, and some 300 where countries are so mixed that the
cache of `re` overflows. A campaign's numbers come with a plus and a little punctuation: those are matched here against
the same metadata, compiled per calling code on first use. Anything else is passed to the library itself if it is
plainly one number (`number_syntax`). A test holds the two equal.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import phonenumbers
from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    PhoneMetadata,
    PhoneNumberDesc,
    PhoneNumberFormat,
    ValidationResult,
)

from pipeline.rules.numbers import number_syntax

#: maximum characters of a number, as in `Recipient.to`; longer ones are invalid, though the library reads 250
LONGEST = 64


class Phone(NamedTuple):
    """One phone number. A tuple: creating a frozen dataclass takes twice as long."""

    #: E.164, with the plus
    e164: str
    #: ISO 3166-1 alpha-2 (and the library's AC, TA, XK); "" where the calling code has no single country
    country: str
    #: whether the library knows its range; its metadata lags behind new ranges
    known: bool


def normalise(numbers: Iterable[str], region: str | None = None) -> list[Phone | None]:
    """Parse each number; return its Phone, or None where it is not plainly one number or has an impossible length.

    `region` (ISO 3166-1 alpha-2, capitals) is where numbers without a plus are dialled; without it those are None, as
    are those that are no known number there. `phone_fault` says why one is None.
    """
    return [_read(number, region) for number in numbers]


def countries(numbers: Iterable[str]) -> list[str]:
    """Return the country of each number, as `Phone.country`; "" also where it is invalid."""
    return [phone.country if phone else "" for phone in normalise(numbers)]


def sharing(e164: str) -> tuple[str, ...]:
    """Return the countries that share a number's calling code; none where it belongs to no country."""
    codes = (int(e164[1 : 1 + length]) for length in (1, 2, 3) if e164[1 : 1 + length].isdigit())
    regions = next((COUNTRY_CODE_TO_REGION_CODE[code] for code in codes if code in COUNTRY_CODE_TO_REGION_CODE), ())
    return tuple(filter(None, map(_country, regions)))


_TOO_LONG = f"a number has at most {LONGEST} characters"
_CODELESS = "no country has this calling code"
_REASONS = {
    ValidationResult.INVALID_COUNTRY_CODE: _CODELESS,
    ValidationResult.TOO_SHORT: "too short for a number of its country",
    ValidationResult.TOO_LONG: "too long for a number of its country",
    ValidationResult.INVALID_LENGTH: "no number of its country has this many digits",
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: "it lacks its area code: only those nearby could dial it",
}
_HOW = "write it as + and 8 to 15 digits"


def phone_fault(text: str, region: str | None = None) -> str:
    """Return why `normalise` rejects a text; repeats nothing of the text."""
    if len(text) > LONGEST:
        return f"not a phone number: {_TOO_LONG}"
    spelt = number_syntax.tidy(text)
    if words := number_syntax.fault(spelt, region):
        return f"not a phone number: {words}"
    if region is None and "+" not in spelt:
        return "not a phone number: national, or without its plus; write + and the country code, or give its `country`"
    try:
        number = phonenumbers.parse(spelt, region)
    except phonenumbers.NumberParseException as error:
        is_code = error.error_type == error.INVALID_COUNTRY_CODE
        return f"not a phone number: {_CODELESS}; {_HOW}" if is_code else f"not a phone number; {_HOW}"
    words = _REASONS.get(phonenumbers.is_possible_number_with_reason(number))
    if words is None and "+" not in spelt:
        words = f"no known number of {region}"
    return f"not a phone number: {words}; {_HOW}" if words else f"not a phone number; {_HOW}"


#: punctuation that the library ignores anywhere: spaces, brackets, dots, slashes, dashes
_PUNCTUATION = dict.fromkeys(map(ord, " \u00a0()[]./-\u2010\u2011\u2012\u2013\u2014\u2015"))
_INTERNATIONAL = re.compile(r"\+[1-9][0-9]{2,}")


def _read(text: str, region: str | None) -> Phone | None:
    if len(text) > LONGEST:
        return None
    number = text
    if not _INTERNATIONAL.fullmatch(number):
        text = number_syntax.tidy(text)
        if number_syntax.fault(text, region):
            return None
        number = text.translate(_PUNCTUATION)
        if not _INTERNATIONAL.fullmatch(number):
            return _ask(text, region)
    plan = _plan_of(number[1:4])
    if plan is None:
        return _ask(text, region)

    national = number[len(plan.connector) :]
    prefix = plan.prefix.match(national)
    if prefix and prefix.end():
        if prefix.lastindex:  # a carrier code, or a prefix that rearranges digits
            return _ask(text, region)
        national = _without_prefix(plan, national, prefix.end())

    claims = plan.claims.get(len(national))
    if claims is None:
        return None
    claim = claims.fullmatch(national)
    country, known = plan.claimants[claim.lastindex or 0] if claim else _NOBODY
    return Phone(plan.connector + national, country, known)


def _without_prefix(plan: "_Plan", national: str, end: int) -> str:
    # +44 (0)20 loses its 0, +7 800 keeps its 8
    shorter = national[end:]
    if plan.general.fullmatch(national) and not plan.general.fullmatch(shorter):
        return national
    return shorter if len(shorter) in plan.full_lengths else national


def _ask(text: str, region: str | None) -> Phone | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(number) != ValidationResult.IS_POSSIBLE:
        return None
    known = phonenumbers.is_valid_number(number)
    if not known and "+" not in text:
        return None  # national: a foreign number without its plus could pass for one of this country
    return Phone(
        phonenumbers.format_number(number, PhoneNumberFormat.E164),
        _country(phonenumbers.region_code_for_number(number)),
        known,
    )


def _country(region: str | None) -> str:
    return "" if region is None or region == phonenumbers.REGION_CODE_FOR_NON_GEO_ENTITY else region


# Compiled metadata --------------------------------------------------------------------------------------------

_NOBODY = ("", False)
_NOTHING = "(?!)"


@dataclass(frozen=True, slots=True)
class _Plan:
    """The numbers of one calling code. Prefixes and lengths are those of the main country's metadata."""

    #: "+234"
    connector: str
    #: trunk prefix
    prefix: re.Pattern[str]
    #: pattern of any number
    general: re.Pattern[str]
    #: lengths of numbers, without those that can be dialled locally only
    full_lengths: frozenset[int]
    #: length → a pattern with one group per country and kind of match
    claims: dict[int, re.Pattern[str]]
    #: by group: its country, and whether the number is a known one. In the library's order
    claimants: tuple[tuple[str, bool], ...]


@cache
def _plan_of(digits: str) -> _Plan | None:
    """Return the plan of numbers that begin with these three digits; None: no calling code matches."""
    codes = (int(digits[:length]) for length in (1, 2, 3))
    return next((_plan(code) for code in codes if code in COUNTRY_CODE_TO_REGION_CODE), None)


@cache
def _plan(code: int) -> _Plan:
    tables = [_table(code, region) for region in COUNTRY_CODE_TO_REGION_CODE[code]]
    main, general = tables[0], _general(tables[0])
    full = frozenset(general.possible_length).difference(general.possible_length_local_only)
    # the library accepts lengths from 2 to 17 only
    lengths = full.intersection(range(2, 18))
    return _Plan(
        connector=f"+{code}",
        prefix=re.compile(main.national_prefix_for_parsing or _NOTHING),
        general=re.compile(general.national_number_pattern or _NOTHING),
        full_lengths=full,
        claims={length: re.compile("|".join(_claims(tables, length))) for length in lengths},
        claimants=(_NOBODY, *((_country(table.id), known) for table in tables for known in (True, False))),
    )


def _claims(tables: list[PhoneMetadata], length: int) -> Iterator[str]:
    """Yield two patterns for each country: its known numbers, then all that begin as its own, known or not."""
    for table in tables:
        own = table.leading_digits or ("" if len(tables) == 1 else None)
        yield f"(?={own or ''})({_known(table, length)})"
        yield f"((?:{own}).*)" if own is not None else f"({_NOTHING})"


def _known(table: PhoneMetadata, length: int) -> str:
    """Return the pattern of known numbers of this length: the general pattern and that of one number type."""
    general = _general(table)
    kinds = [kind.national_number_pattern for kind in _kinds(table) if kind and length in kind.possible_length]
    if length not in general.possible_length or not any(kinds):
        return _NOTHING
    return rf"(?=(?:{general.national_number_pattern})\Z)(?:{'|'.join(filter(None, kinds))})"


def _kinds(table: PhoneMetadata) -> tuple[PhoneNumberDesc | None, ...]:
    # mobiles first: the most frequent. Where they share the fixed lines' pattern, the library checks fixed lines only
    return (
        None if table.same_mobile_and_fixed_line_pattern else table.mobile,
        table.fixed_line,
        table.toll_free,
        table.premium_rate,
        table.shared_cost,
        table.voip,
        table.personal_number,
        table.pager,
        table.uan,
        table.voicemail,
    )


def _table(code: int, region: str) -> PhoneMetadata:
    table = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
    if table is None:
        raise LookupError(f"phonenumbers has no metadata of {region} (+{code})")
    return table


def _general(table: PhoneMetadata) -> PhoneNumberDesc:
    if table.general_desc is None:
        raise LookupError(f"phonenumbers has no general description of {table.id} (+{table.country_code})")
    return table.general_desc
