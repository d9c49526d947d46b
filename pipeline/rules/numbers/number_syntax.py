"""Strict syntax of phone numbers: rejects text that libphonenumber would silently reinterpret, with the cause.

A dialler may ignore what it does not understand; a sender may not. A spreadsheet's `.0`, an extension, a second
number in the cell or a word after the number are read by the library as more digits, fewer digits or none, so that
the message goes to another number. Here only layout is ignored: spaces, brackets, dots, dashes, one slash after the
area code, and invisible characters.
"""

import re

import phonenumbers

_SEVEN = 7  # consecutive digits that are a whole number rather than a group of one

#: typographic spaces, read as a space
_BLANKS = dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " ")
#: zero width: soft hyphen, joiners, directional marks, byte order mark
_UNSEEN = dict.fromkeys([0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A), 0xFEFF])
_TIDY = str.maketrans({**_BLANKS, **_UNSEEN, "\uff0b": "+", "\uff0e": ".", "\uff0f": "/"})
#: stripped from both ends of pasted text
_ENDS = "".join(map(chr, range(0x21))) + "\x7f\x85"

_LAYOUT = re.compile(r"[\d +()\[\]（）［］./\-\u2010-\u2015\u2212\u30fc\uff0d]*")
_BEGINNING = re.compile(r"[\d+(\[（［]")
_SCIENTIFIC = re.compile(r"\+?\d+([.,]\d*)?[eE][+\-\u2212]?\d+")
_DECIMAL = re.compile(rf"\+?\d{{{_SEVEN},}}[.,]\d{{1,3}}|.*\d[.,](\d|00)")
_EXTENSION = re.compile(r"\d[\s,;(]*(;?\s*ext|x|#)[\w.=:\s]*\d+\W*\Z|;", re.IGNORECASE)
_LINK = re.compile(r"(tel|sms|callto|whatsapp):", re.IGNORECASE)
_TRUNK = re.compile(r"[(\[（［]0[)\]）］]")
_BRACKETED = re.compile(r"[(\[（［]\+?[\d \-]*[)\]）］]")
_BRACKETS = re.compile(r"[()\[\]（）［］]")
_DIGITS = re.compile(r"\d+")
#: a single digit after a dash that follows other digits: `45 67 - 8`
_DASHED_DIGIT = re.compile(r"\d\d *[\-\u2010-\u2015\u2212\uff0d] *\d\Z")
#: three or four digits after a group long enough to be a whole number
_TAIL = re.compile(rf"(.*\d{{{_SEVEN},}})\D+\d{{3,4}}\D*", re.DOTALL)

_TWO = "more than one number, or characters that no number has: write one number, as + and 8 to 15 digits"
_LONGER = "it ends in an extension or a second number: write one number in full, as + and 8 to 15 digits"


def tidy(text: str) -> str:
    """Return a number's text without invisible characters, stripped, its spaces plain."""
    return text.translate(_TIDY).strip(_ENDS)


def fault(text: str, region: str | None = None) -> str | None:
    """Return why a tidied text is not plainly one number, or None: its digits are the number.

    `region` is where a number without a plus is dialled.
    """
    if text.isascii() and text[1:].isdigit() and (text[0] == "+" or text[0].isdigit()):
        return None
    return _fault_of_signs(text) or _fault_of_layout(text) or _fault_of_tail(text, region)


def _fault_of_signs(text: str) -> str | None:
    if not text:
        return "it is empty"
    if text[0] in "=@":
        return "a spreadsheet's formula: save the number itself, in a column of text"
    if text[0] in "'\u2018\u2019`\"":
        return "a quotation mark or apostrophe before it: write the number alone"
    if _SCIENTIFIC.fullmatch(text):
        return "a spreadsheet's scientific notation: its digits are lost; format the column as text"
    if _DECIMAL.fullmatch(text):
        return "a decimal number, as spreadsheets make of it: format the column as text"
    if _LINK.match(text):
        return "a link: write the number alone"
    if any(map(str.isalpha, text.replace("\u30fc", ""))) or _EXTENSION.search(text):
        words = "an extension, which SMS cannot address" if _EXTENSION.search(text) else "letters in it"
        return f"{words}; write the number alone"
    return None if _LAYOUT.fullmatch(text) else _TWO


def _fault_of_layout(text: str) -> str | None:
    if text.count("+") > 1 or (text.find("+") > 0 and _DIGITS.search(text[: text.find("+")])):
        return _TWO
    if not _BEGINNING.match(text):
        return "a sign before it: write it as + and 8 to 15 digits"
    if _BRACKETS.search(_BRACKETED.sub("", text)):
        return "a bracket without its partner, or with more than digits in it"
    if any(len(_DIGITS.findall(text[found.end() :])) == 0 for found in _BRACKETED.finditer(text)):
        return _LONGER
    if "/" in text and not _is_area(*text.rsplit("/", 1)):
        return _LONGER
    groups = _DIGITS.findall(_TRUNK.sub("", text))
    if len(groups) > 1 and _is_appended(len(groups[-2]), len(groups[-1])):
        return _LONGER
    return _LONGER if _DASHED_DIGIT.search(text) else None


def _fault_of_tail(text: str, region: str | None) -> str | None:
    """Return the error of a short last group after a complete number: `+43 664 1234567 890`."""
    tail = _TAIL.fullmatch(text)
    if tail is None:
        return None
    try:
        return _LONGER if phonenumbers.is_valid_number(phonenumbers.parse(tail[1], region)) else None
    except phonenumbers.NumberParseException:
        return None


def _is_area(before: str, after: str) -> bool:
    """Tell whether a slash separates area code and number: `+49 30/1234567`, `0664/1234567`."""
    groups = _DIGITS.findall(_TRUNK.sub("", before))
    most = 2 if before.lstrip("([（［").startswith(("+", "00")) else 1
    digits = sum(map(len, _DIGITS.findall(after)))
    return len(groups) <= most and sum(map(len, groups)) <= _SEVEN and digits >= 4


def _is_appended(before: int, last: int) -> bool:
    """Tell whether a last group of this length looks appended to the number before it: `1234567-8`."""
    return (last == 1 and before >= 4) or (last <= 2 and before >= _SEVEN)
