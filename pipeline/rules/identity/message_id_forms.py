"""Alternative forms of SMSC message ids: submit_sm_resp may give hexadecimal where the receipt has decimal."""

import re
from collections.abc import Iterator

_NUMBER = re.compile(r"(?:0[xX])?([0-9A-Fa-f]{1,32})")
#: digits from which a decimal number is also read as hexadecimal though it has no letter: shorter ones would often be
#: another message's id
_SURE = 6
#: widths to which ids are zero-padded: the widest, and the usual ones of the other base
_WIDEST = 20
_WIDTHS = (8, 10, 16, _WIDEST)


def others(id_: str) -> set[str]:
    """Return the other forms of an id: other letter case, with and without leading zeros, in the other base.

    An id in mixed case has no other form.
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
    """Yield a number in the other base, for each base it may be in."""
    decimal = str(int(digits, 16))
    if not digits.isdecimal() or len(decimal) >= _SURE:
        yield decimal
    if digits.isdecimal():
        hexadecimal = f"{int(digits):x}"
        if not hexadecimal.isdecimal() or len(digits) >= _SURE:
            yield hexadecimal
