"""Segmentation of bodies: encoding, number of segments, and where a long message is split (3GPP TS 23.038, 23.040).

GSM-7 if every character is in its alphabet, UCS-2 otherwise, counted in UTF-16 code units. A pair (an extension
character's two septets, a surrogate pair) is never split, so a part may be one short: parts are filled one
after another, and lengths are divided only where the result is the same.

An empty body is one GSM-7 part. A lone surrogate is not a character, and no JSON parser lets one in; here it counts
one unit and is kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pipeline.rules.text import gsm7
from schema.message import Measure
from schema.vocabulary import Encoding


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much one part holds. The standard's numbers, unless a vendor bills by others."""

    #: septets of a body in a single message
    gsm7_single: int = 160
    #: septets of each part of a longer one: the concatenation header takes 6 of 140 octets
    gsm7_part: int = 153
    #: UTF-16 code units, likewise
    ucs2_single: int = 70
    ucs2_part: int = 67

    def __post_init__(self) -> None:
        """Raise ValueError for capacities too small for a pair or for the header."""
        if not (2 <= self.gsm7_part <= self.gsm7_single and 2 <= self.ucs2_part <= self.ucs2_single):
            raise ValueError(f"each part must hold from 2 to what a single message holds: {self}")


STANDARD = Capacity()


def measure(bodies: Iterable[str], capacity: Capacity = STANDARD) -> list[Measure]:
    """Measure each body, in order: GSM-7 where possible, UCS-2 otherwise."""
    return [_measure(body, capacity) for body in bodies]


def encoding(body: str) -> Encoding:
    """Return the encoding that a body needs."""
    return Encoding.UCS2 if gsm7.septets(body) is None else Encoding.GSM7


def billed(body: str, measured: Measure, capacity: Capacity | None) -> int:
    """Return the number of parts that a measured body is billed as: those sent, unless its API has another capacity."""
    return measured.segments if capacity is None or measured.segments == 1 else _measure(body, capacity).segments


def split(body: str, capacity: Capacity = STANDARD) -> list[str]:
    """Split a body into the texts of its parts, as many as `measure` counts; joined they are the body."""
    septets = gsm7.septets(body)
    if septets is not None:
        if septets <= capacity.gsm7_single:
            return [body]
        if septets == len(body):
            return _slices(body, capacity.gsm7_part)
        return [gsm7.decode(part) for part in _septet_parts(body, capacity.gsm7_part)]

    units = _units(body)
    if units <= capacity.ucs2_single:
        return [body]
    if units == len(body):
        return _slices(body, capacity.ucs2_part)
    return _slices_like(body, [part.decode("utf-16-le") for part in _unit_parts(body, capacity.ucs2_part)])


def _measure(body: str, capacity: Capacity) -> Measure:
    septets = gsm7.septets(body)
    if septets is None:
        return _ONE_UCS2 if 2 * len(body) <= capacity.ucs2_single else _same(Encoding.UCS2, _ucs2_parts(body, capacity))
    if septets <= capacity.gsm7_single:
        return _ONE_GSM7
    return _same(Encoding.GSM7, _gsm7_parts(body, septets, capacity))


def _gsm7_parts(body: str, septets: int, capacity: Capacity) -> int:
    part = capacity.gsm7_part
    return _certain(septets, len(body), part) or len(_septet_parts(body, part))


def _ucs2_parts(body: str, capacity: Capacity) -> int:
    units = _units(body)
    if units <= capacity.ucs2_single:
        return 1
    part = capacity.ucs2_part
    return _certain(units, len(body), part) or len(_unit_parts(body, part))


def _certain(size: int, characters: int, part: int) -> int | None:
    # division is exact where there are no pairs; otherwise any part but the last may be one short, which
    # seldom makes one part more: None where it might
    fewest = -(-size // part)
    return fewest if size == characters or fewest == -(-size // (part - 1)) else None


def _septet_parts(body: str, part: int) -> list[bytes]:
    septets = gsm7.encode(body)
    parts, start = [], 0
    while start < len(septets):
        stop = start + part
        if septets[stop - 1 : stop] == _ESCAPE:
            stop -= 1
        parts.append(septets[start:stop])
        start = stop
    return parts


def _unit_parts(body: str, part: int) -> list[bytes]:
    octets = _utf16(body)
    parts, start = [], 0
    while start < len(octets):
        stop = start + 2 * part
        if octets[stop - 1 : stop] in _HIGH_HALVES:
            stop -= 2
        parts.append(octets[start:stop])
        start = stop
    return parts


def _utf16(body: str) -> bytes:
    # "replace" makes a lone surrogate a question mark: one unit, never taken for half of a pair
    return body.encode("utf-16-le", "replace")


def _units(body: str) -> int:
    return len(_utf16(body)) // 2


def _slices(body: str, length: int) -> list[str]:
    return [body[start : start + length] for start in range(0, len(body), length)]


def _slices_like(body: str, pieces: list[str]) -> list[str]:
    slices, start = [], 0
    for piece in pieces:
        slices.append(body[start : start + len(piece)])
        start += len(piece)
    return slices


_ESCAPE = bytes([gsm7.ESCAPE])
#: the upper octet of a high surrogate, U+D800 to U+DBFF
_HIGH_HALVES = frozenset(bytes([octet]) for octet in range(0xD8, 0xDC))
_same = lru_cache(maxsize=256)(Measure)
_ONE_GSM7 = _same(Encoding.GSM7, 1)
_ONE_UCS2 = _same(Encoding.UCS2, 1)
