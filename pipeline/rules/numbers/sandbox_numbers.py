"""Test numbers (magic numbers): a test message's outcome by the last digits of its number.

+2340000000001 is delivered at once, …0002 is an invalid number, …0003 is delivered late, …0004 has opted out; any
other number is delivered (the same in every API that has tests).
"""

import re

from schema.vocabulary import Code

#: numbers of vendors' sandboxes outside all numbering plans: tests may be sent to them
SANDBOX_NUMBERS = frozenset({"+15550101"})

#: seconds until delivery, and until late delivery
PROMPT, LATE = 0.1, 30.0

_PART = re.compile(r"0{6}([1-4])")
_FAULTS = {"2": Code.PHONE_INVALID, "4": Code.DND_BLOCKED}


def fault(phone: str) -> Code | None:
    """Return the code that a test message to the number is refused with, or None."""
    return _FAULTS.get(_part(phone))


def delay(phone: str) -> float:
    """Return the seconds until a test message to the number is delivered."""
    return LATE if _part(phone) == "3" else PROMPT


def _part(phone: str) -> str:
    found = _PART.fullmatch(phone[-7:])
    return found[1] if found else ""
