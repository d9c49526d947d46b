"""What a sender id may look like."""

import re

#: 3GPP TS 23.040 alphanumeric originator: at most 11 characters; we keep to those every carrier takes
_ALPHANUMERIC = re.compile(r"(?=.*[A-Za-z])[A-Za-z0-9][A-Za-z0-9 ._&-]{0,10}")
#: E.164 or a short code
_NUMERIC = re.compile(r"\+?[0-9]{3,15}")


def is_sender(word: str) -> bool:
    """Tell whether the word can be a sender id: up to 11 letters and digits, a number or a short code."""
    return bool(_ALPHANUMERIC.fullmatch(word) or _NUMERIC.fullmatch(word))
