"""The ways in which one message id may be written: SMSCs answer in one of them, and report in another."""

import re
from collections.abc import Iterator

_NUMBER = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{1,32})")
#: digits of a decimal number from which it is read as hexadecimal though no letter tells so: smaller ones are as often
#: another message's id
_SURE = 6
#: how wide ids are that are filled up with zeros, and how wide those of the other base mostly are
_WIDEST = 20
_WIDTHS = (8, 10, 16, _WIDEST)


def others(id_: str) -> set[str]:
    """Return the other ways to write an id: in the other case, with and without zeros in front, in the other base.

    What mixes capital and small letters is written in one way only.
    """
    number = _NUMBER.fullmatch(id_)
    plain = number[1] if number else id_
    if plain not in (plain.lower(), plain.upper()):
        return set()
    if number is None:
        return {id_.lower(), id_.upper()} - {id_}
    digits = plain.lstrip("0").lower() or "0"
    found = {digits, *(f"{digits:0>{width}}" for width in range(len(digits), _WIDEST + 1))}
    found |= {f"{other:0>{width}}" for other in _converted(digits) for width in (0, *_WIDTHS)}
    marked = {f"0x{digits}", f"0x{digits.upper()}"}
    return (found | {each.upper() for each in found} | marked) - {id_}


def _converted(digits: str) -> Iterator[str]:
    """Yield a number in the other base, whichever it is in."""
    decimal = str(int(digits, 16))
    if not digits.isdecimal() or len(decimal) >= _SURE:
        yield decimal
    if digits.isdecimal():
        hexadecimal = f"{int(digits):x}"
        if not hexadecimal.isdecimal() or len(digits) >= _SURE:
            yield hexadecimal
