"""KSUIDs: 27 digits of base 62 that hold a moment (32 bits of seconds) and 128 bits more, here an id of ours.

The vendor that writes its ids so puts a word before them: `tid_2rLDt3fdNu76JJPgsXWqn3OKxhU`. As the id is within,
nothing need be looked up to get it back. Ids in a row share all but their last digits: those before are spelled once.
"""

from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

#: 2014-05-13 16:53:20Z, the first second they can hold
EPOCH = 1_400_000_000

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH, _SECONDS = 27, 32
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_PAIR = len(_PAIRS)
#: what the last four digits count
_TAIL = _PAIR * _PAIR


def spell(prefix: str, id_: UUID, at: datetime | None = None) -> str:
    """Return the prefix and the KSUID that holds the id and the moment: by default the one a UUIDv7 was minted."""
    seconds = (id_.int >> 80) // 1000 if at is None else int(at.timestamp())
    head, tail = divmod((seconds - EPOCH) % (1 << _SECONDS) << 128 | id_.int, _TAIL)
    return prefix + _head(head) + _PAIRS[tail // _PAIR] + _PAIRS[tail % _PAIR]


def read(prefix: str, word: str) -> UUID | None:
    """Return the id within a KSUID behind that prefix, or None where the word is none."""
    number = _number(word.removeprefix(prefix)) if word.startswith(prefix) else None
    return None if number is None else UUID(int=number & (1 << 128) - 1)


def moment(ksuid: str) -> datetime | None:
    """Return the moment within a KSUID, to the second, or None where the word is none."""
    number = _number(ksuid)
    return None if number is None else datetime.fromtimestamp((number >> 128) + EPOCH, UTC)


@lru_cache(maxsize=1024)
def _head(number: int) -> str:
    digits = []
    for _ in range((_LENGTH - 4) // 2):
        number, pair = divmod(number, _PAIR)
        digits.append(_PAIRS[pair])
    return _DIGITS[number] + "".join(reversed(digits))


def _number(ksuid: str) -> int | None:
    if len(ksuid) != _LENGTH:
        return None
    number = 0
    for digit in ksuid:
        value = _VALUES.get(digit)
        if value is None:
            return None
        number = number * len(_DIGITS) + value
    return number if number < 1 << _SECONDS + 128 else None
