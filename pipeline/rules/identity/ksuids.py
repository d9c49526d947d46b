"""KSUIDs: 27 base-62 digits of a 32-bit timestamp and a 128-bit payload, here one of our ids.

A vendor's API prefixes its ids, `tid_2rLDt3fdNu76JJPgsXWqn3OKxhU`. As the payload is our id, decoding needs no
look-up. Contiguous ids share all but their last digits: the leading ones are encoded once and cached.
"""

from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

#: 2014-05-13 16:53:20Z, the epoch of the timestamp
EPOCH = 1_400_000_000

_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LENGTH, _SECONDS = 27, 32
_VALUES = {digit: value for value, digit in enumerate(_DIGITS)}
_PAIRS = [high + low for high in _DIGITS for low in _DIGITS]
_PAIR = len(_PAIRS)
#: values of the last four digits
_TAIL = _PAIR * _PAIR


def spell(prefix: str, id_: UUID, at: datetime | None = None) -> str:
    """Return the prefix and the KSUID of an id and a time, by default the creation time of the UUIDv7."""
    seconds = (id_.int >> 80) // 1000 if at is None else int(at.timestamp())
    head, tail = divmod((seconds - EPOCH) % (1 << _SECONDS) << 128 | id_.int, _TAIL)
    return prefix + _head(head) + _PAIRS[tail // _PAIR] + _PAIRS[tail % _PAIR]


def read(prefix: str, word: str) -> UUID | None:
    """Return the id in a KSUID with this prefix, or None if it is malformed."""
    number = _number(word.removeprefix(prefix)) if word.startswith(prefix) else None
    return None if number is None else UUID(int=number & (1 << 128) - 1)


def moment(ksuid: str) -> datetime | None:
    """Return the time in a KSUID, to the second, or None if it is malformed."""
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
