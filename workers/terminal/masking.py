"""How numbers are shown in lists: enough to tell them apart, not enough to call them."""

from collections.abc import Iterable, Mapping
from typing import Any

#: of a number: what is left standing at its beginning and at its end
_HEAD, _TAIL = 5, 2


def masked(phone: str) -> str:
    """Return a number with its middle blotted out."""
    if len(phone) <= _HEAD + _TAIL:
        return "*" * len(phone)
    return phone[:_HEAD] + "*" * (len(phone) - _HEAD - _TAIL) + phone[-_TAIL:]


def all_masked(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with their phones masked, and of their bodies the length only."""
    return [
        {**row, "phone": masked(row["phone"])} | ({"body": "*" * len(row["body"])} if "body" in row else {})
        for row in rows
    ]
