"""What becomes of test messages: a number ending in six zeros and a digit plays a part, any other is reached.

+2340000000001 is reached at once, …0002 is no phone number, …0003 is reached late, …0004 wants no messages
(docs.robase.dev/sms/test-mode; the parts are the same at every door that has tests).
"""

import re

from schema.vocabulary import Code

#: numbers of vendors' sandboxes that no numbering plan has: tests may be sent to them (docs.solarisgroup.com)
SANDBOX_NUMBERS = frozenset({"+15550101"})

#: seconds until a handset has it, and until one that takes its time has
PROMPT, LATE = 0.1, 30.0

_PART = re.compile(r"0{6}([1-4])")
_FAULTS = {"2": Code.PHONE_INVALID, "4": Code.DND_BLOCKED}


def fault(phone: str) -> Code | None:
    """Return why a test message to the number is refused, or None."""
    return _FAULTS.get(_part(phone))


def delay(phone: str) -> float:
    """Return the seconds after which a test message to the number is delivered."""
    return LATE if _part(phone) == "3" else PROMPT


def _part(phone: str) -> str:
    found = _PART.fullmatch(phone[-7:])
    return found[1] if found else ""
