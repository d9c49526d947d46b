"""Masks phone numbers for those who may not read them."""

#: characters of a number that stay visible at its beginning and end
_HEAD, _TAIL = 5, 2


def masked_number(phone: str) -> str:
    """Return a number with its middle masked: `+2348*******78`."""
    if len(phone) <= _HEAD + _TAIL:
        return "*" * len(phone)
    return phone[:_HEAD] + "*" * (len(phone) - _HEAD - _TAIL) + phone[-_TAIL:]
