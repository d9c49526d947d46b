"""How a stranger's order is read: as an Order, or as every fault that it has."""

from typing import Any

from pydantic import ValidationError

from schema.message import Refusal
from schema.order import RESERVED_APIS, Order
from schema.vocabulary import Code

_CODES = {
    "missing": Code.MISSING_FIELD,
    "json_invalid": Code.BAD_JSON,
    "too_long": Code.TOO_MANY,
}
_WORDS = {
    "string_pattern_mismatch": "must not hold control characters",
    "string_unicode": "must be Unicode text; half of a surrogate pair is none",
}
#: characters of a stranger's field name that are repeated to him
_LONGEST = 255


def read(payload: bytes | str | dict[str, Any]) -> Order | list[Refusal]:
    """Read a stranger's order; return it, or every fault found, each with its field."""
    try:
        order = Order.model_validate(payload) if isinstance(payload, dict) else Order.model_validate_json(payload)
        if order.door in RESERVED_APIS:
            return [Refusal(Code.INVALID_FIELD, f"the door {order.door!r} is not for producers", "door")]
        return order
    except ValidationError as error:
        return [
            _refusal(fault) for fault in error.errors(include_url=False, include_input=False, include_context=False)
        ]


def _refusal(fault: Any) -> Refusal:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{_spelt(part)}" for part in fault["loc"]).lstrip(".")
    code = _CODES.get(fault["type"], Code.INVALID_FIELD)
    message = _WORDS.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
    index = fault["loc"][1] if len(fault["loc"]) > 1 and fault["loc"][0] == "recipients" else None
    return Refusal(code=code, message=message, field=field or None, index=index)


def _spelt(name: str) -> str:
    """Return a stranger's field name as it can be kept and printed."""
    name = name[:_LONGEST]
    return name if name.isprintable() else ascii(name)[1:-1]
