"""Lenient parsers of vendors' scalars: texts, whole numbers, booleans, amounts, times, and text encodings.

A vendor's documentation says `"status": "1"` and its server writes `1`, or the reverse; JSON comes with a byte order
mark, a form in Latin-1, a date as epoch milliseconds. A value with one possible meaning is accepted.
"""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

#: accepts line breaks within strings
_JSON = json.JSONDecoder(strict=False)
_PRINTABLE = re.compile(r"[ -~]{0,128}")
#: fast path: the usual word
_USUAL = re.compile(r"[!-~]{1,128}")
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(\.0+)?")
_TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_DIGITS = re.compile(r"[0-9]{10,19}(\.[0-9]{1,9})?")
#: range of epochs in seconds: 2014-05 to 2034-12; milliseconds, microseconds and nanoseconds accordingly
_EPOCHS = (1_400_000_000, 2_050_000_000)
#: dates of digits alone, by their number
_COMPACT = {10: "%y%m%d%H%M", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
#: dates with slashes or dots: the day first, unless that is no valid date
_DATES = re.compile(
    r"([0-9]{1,2})[/.-]([0-9]{1,2})[/.-]([0-9]{4})"
    r"(?:[ T,]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?(?:\.[0-9]+)?(?: ?([AP])M)?Z?)?",
    re.IGNORECASE,
)
#: dates with the year first
_YEAR_FIRST = re.compile(r"([0-9]{4})[/.]([0-9]{2})[/.]([0-9]{2})")
_SPACES = re.compile(r"[\s_']")
_THOUSANDS_BY_COMMA = re.compile(r"-?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?")
_DECIMAL_COMMA = re.compile(r"-?[0-9]{1,3}(\.[0-9]{3})*,[0-9]+|-?[0-9]+,[0-9]+")
_FRACTION = re.compile(r"(\.[0-9]{6})[0-9]+")
_APART_ZONE = re.compile(r"(?<=[0-9]) +(?=[+-][0-9]{2})")
_HALVED = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[ T]([0-9]{1,2}:[0-9]{2})(:[0-9]{2})?(?:\.[0-9]+)? ?([AP]M)")
#: .NET's JSON dates around an epoch
_WRAPPED = re.compile(r"^\\?/Date\(([0-9]+)(?:[+-][0-9]{4})?\)\\?/$")
_HALF = re.compile(r" ?([AP])M$", re.IGNORECASE)
_MONTH_NAMED = re.compile(r"(?<=[0-9])-([A-Za-z]{3})-(?=[0-9]{4})")


def decoded(octets: bytes) -> str:
    """Return text: UTF-8, with or without a byte order mark; otherwise Latin-1."""
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def parsed(octets: bytes) -> Any:
    """Return parsed JSON; None if it is malformed (no vendor responds with null)."""
    try:
        # UTF-8, -16 or -32, with or without a byte order mark
        return _JSON.decode(octets.decode(json.detect_encoding(octets), "surrogatepass"))
    except UnicodeDecodeError:
        pass
    except (ValueError, RecursionError):
        return None
    try:
        return _JSON.decode(octets.decode("latin-1"))
    except (ValueError, RecursionError):
        return None


def spelt(value: object) -> str | None:
    """Return a scalar as text: `0` and `1.5` for numbers, `true` for a boolean; None for anything else."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else None


def word(value: object, what: str) -> str | None:
    """Return a short printable text, None where it is missing; ValueError for one that cannot be stored."""
    if value is None or (isinstance(value, str) and _USUAL.fullmatch(value)):
        return value
    found = spelt(value)
    if found is None or not _PRINTABLE.fullmatch(found := found.strip()):
        raise ValueError(f"{what} must be short text")
    return found or None


def label(value: object) -> str | None:
    """Return a short printable text, None where it is missing or cannot be stored."""
    try:
        return word(value, "")
    except ValueError:
        return None


def integer(value: object) -> int | None:
    """Return a whole number from a number or text; None otherwise."""
    found = spelt(value)
    found = found.strip() if found else ""
    return int(found.partition(".")[0]) if _WHOLE.fullmatch(found) else None


def boolean(value: object) -> bool | None:
    """Return a boolean from a boolean, number or text; None otherwise."""
    return _TRUTHS.get((spelt(value) or "").strip().lower())


def amount(value: object) -> Decimal | None:
    """Return an amount, with or without thousands separators: `1,234.50`, `1.234,50`; None otherwise."""
    text = "" if isinstance(value, bool) else _SPACES.sub("", spelt(value) or "")
    if _THOUSANDS_BY_COMMA.fullmatch(text):
        text = text.replace(",", "")
    elif _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(".", "").replace(",", ".")
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def moment(value: object, format_: str = "") -> datetime | None:
    """Return a time in UTC, the default zone; None where it is malformed or out of the database's range.

    ISO 8601, RFC 5322, an epoch in seconds or fractions, digits alone (`231114221355`), `14/11/2023 22:13`. With
    a format of `strptime`, or `epoch`: in that one, and otherwise as if there were none.
    """
    if isinstance(value, str) and value[4:5] == "-" and not format_:
        try:  # fast path: the usual format
            return _in_utc(datetime.fromisoformat(value))
        except (ValueError, OverflowError):
            value = value.strip()
    text = (spelt(value) or "").strip() if not isinstance(value, bool) else ""
    text = _WRAPPED.sub(r"\1", text)
    for read in (partial(_formatted, format_), _iso, _digits, _dated):
        try:
            if (at := read(text)) is not None:
                return _in_utc(at)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
    return None


def _in_utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _formatted(format_: str, text: str) -> datetime | None:
    if format_ == "epoch":
        return _epoch(float(text))
    return _strptime(text, format_) if format_ else None


def _strptime(text: str, format_: str) -> datetime:
    return datetime.strptime(text, format_)  # noqa: DTZ007 - `moment` adds the zone


def _iso(text: str) -> datetime | None:
    if text.isdecimal():
        return None
    text = _APART_ZONE.sub("", text.upper())
    for ending in (" UTC", " GMT", " Z"):
        text = f"{text.removesuffix(ending)}Z" if text.endswith(ending) else text
    if half := _HALVED.fullmatch(text):
        return _strptime(f"{half[1]} {half[2]}{half[3] or ':00'} {half[4]}", "%Y-%m-%d %I:%M:%S %p")
    return datetime.fromisoformat(_FRACTION.sub(r"\1", _YEAR_FIRST.sub(r"\1-\2-\3", text)))


def _digits(text: str) -> datetime | None:
    if not _DIGITS.fullmatch(text):
        return None
    whole_ = text.partition(".")[0]
    if (at := _epoch(float(text))) is not None:
        return at
    if len(whole_) == 12 and not whole_.startswith("20"):
        return _strptime(whole_, "%y%m%d%H%M%S")
    if len(whole_) == 17:  # with milliseconds
        whole_ = whole_[:14]
    return _strptime(whole_, _COMPACT[len(whole_)]) if len(whole_) in _COMPACT else None


def _epoch(number: float) -> datetime | None:
    for fraction in (1, 1000, 1_000_000, 1_000_000_000):
        if _EPOCHS[0] <= number / fraction < _EPOCHS[1]:
            return datetime.fromtimestamp(number / fraction, UTC)
    return None


def _dated(text: str) -> datetime | None:
    found = _DATES.fullmatch(text)
    if found is None:
        at, ending = parsedate_to_datetime(_MONTH_NAMED.sub(r" \1 ", _HALF.sub("", text))), _HALF.search(text)
        return at.replace(hour=at.hour % 12 + (12 if ending[1] in "pP" else 0)) if ending else at
    first, second, year, hour, minute, seconds = (int(each or 0) for each in found.groups()[:6])
    day, month = (first, second) if second <= 12 else (second, first)
    if half := found[7]:
        hour = hour % 12 + (12 if half in "pP" else 0)
    return datetime(year, month, day, hour, minute, seconds, tzinfo=UTC)
