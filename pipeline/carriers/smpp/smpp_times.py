"""SMPP times: `YYMMDDhhmmsstnnp` (7.1.1), and the dates of receipts: `YYMMDDhhmm`, with variations."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

#: a relative time has two digits of days, and the length of a month is the SMSC's choice
LONGEST_RELATIVE = timedelta(days=31)

_STAMP = re.compile(r"([0-9]{10,14})(?:[0-9]([0-9]{2})([+-]))?")


class Validity(StrEnum):
    """The format of validity_period."""

    #: relative, which needs no synchronised clocks
    RELATIVE = "relative"
    #: absolute, in UTC
    ABSOLUTE = "absolute"
    #: left out: the SMSC's default applies
    NONE = "none"


def validity(form: Validity, until: datetime | None, now: datetime) -> bytes:
    """Return validity_period with its NUL; empty where there is none. A time in the past becomes one second."""
    if until is None or form is Validity.NONE:
        return b"\0"
    left = max(until - now, timedelta(seconds=1))
    if form is Validity.ABSOLUTE or left > LONGEST_RELATIVE:
        return absolute(now + left)
    minutes, seconds = divmod(int(left.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return b"0000%02d%02d%02d%02d000R\0" % (days, hours, minutes, seconds)


def absolute(moment: datetime) -> bytes:
    """Return an absolute time with its NUL, in UTC."""
    return moment.astimezone(UTC).strftime("%y%m%d%H%M%S000+").encode() + b"\0"


def moment(text: str, offset: timedelta = timedelta()) -> datetime | None:
    """Return the time of a receipt's date or a final_date, by a clock ahead of UTC by `offset` unless it has a zone.

    None where it is missing, all zeros, or in an unknown format.
    """
    stamp = _STAMP.fullmatch(text)
    if stamp is None:
        return None
    digits, quarters, sign = stamp.groups()
    if quarters is not None:
        offset = timedelta(minutes=15 * int(quarters)) * (-1 if sign == "-" else 1)
    # YYMMDDhhmm[ss], or the same with a four-digit year: two-digit years beginning with 20 are past
    years = (2, 4) if digits.startswith("20") else (2,)
    for year in years:
        if (read := _read(digits, year)) is not None:
            return read - offset
    return None


def zoned(text: str) -> datetime | None:
    """Return the time of an ISO 8601 date with its zone; None for any other."""
    try:
        reported = datetime.fromisoformat(text)
        return reported.astimezone(UTC) if reported.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _read(digits: str, year: int) -> datetime | None:
    pairs = [int(digits[at : at + 2]) for at in range(year, len(digits), 2)]
    if len(digits) % 2 or len(pairs) not in (4, 5):
        return None
    month, day, hour, minute, second = (*pairs, 0)[:5]
    try:
        return datetime(int(digits[:year]) % 2000 + 2000, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
