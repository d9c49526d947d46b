"""Parses untrusted orders, recipients and campaigns: returns each, or all of its validation errors."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schema.campaign import CampaignDefinition, CampaignRecipient
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
    "extra_forbidden": "is not a known field",
    "string_unicode": "must be valid Unicode; it has an unpaired surrogate",
}
#: of fields whose pattern is more than that
_PATTERNS = {
    "country": "must be a country's two capital letters, such as NG",
    "local_hours": "must be two times of day, HH:MM-HH:MM, such as 09:00-18:00",
}
#: characters of an unknown field's name that are repeated in the error
_LONGEST = 255


def read(payload: bytes | str | dict[str, Any]) -> Order | list[Refusal]:
    """Parse an untrusted order; return it, or every error found, each with its field."""
    try:
        order = Order.model_validate(payload) if isinstance(payload, dict) else Order.model_validate_json(payload)
        if order.door in RESERVED_APIS:
            return [Refusal(Code.INVALID_FIELD, f"door {order.door!r} is reserved", "door")]
        return order
    except ValidationError as error:
        return refusals_of(error)


def read_definition(payload: bytes | str | Mapping[str, Any]) -> CampaignDefinition | list[Refusal]:
    """Parse the untrusted definition of a campaign; return it, or every error found, each with its field."""
    try:
        if isinstance(payload, Mapping):
            return CampaignDefinition.model_validate(payload)
        return CampaignDefinition.model_validate_json(payload)
    except ValidationError as error:
        return refusals_of(error)


_RECIPIENTS = TypeAdapter(list[CampaignRecipient])


def read_recipients(given: Sequence[object]) -> list[CampaignRecipient | str]:
    """Parse untrusted recipients of a campaign; return each, or what is wrong with it in words, in order."""
    faults: dict[int, str] = {}
    try:
        return list(_RECIPIENTS.validate_python(list(given)))
    except ValidationError as error:
        for fault in error.errors(include_url=False, include_input=False, include_context=False):
            place, *_ = fault["loc"]
            refusal = _refusal({**fault, "loc": ("recipients", *fault["loc"])})
            field = (refusal.field or "").partition("].")[2]
            faults.setdefault(int(place), f"{field}: {refusal.message}" if field else refusal.message)
    valid = iter(_RECIPIENTS.validate_python([each for place, each in enumerate(given) if place not in faults]))
    return [faults[place] if place in faults else next(valid) for place in range(len(given))]


def refusals_of(error: ValidationError) -> list[Refusal]:
    """Return every error that pydantic found, each with its field."""
    return [_refusal(fault) for fault in error.errors(include_url=False, include_input=False, include_context=False)]


def _refusal(fault: Any) -> Refusal:
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in fault["loc"]).lstrip(
        "."
    )
    code = _CODES.get(fault["type"], Code.INVALID_FIELD)
    pattern = _PATTERNS.get(field) if fault["type"] == "string_pattern_mismatch" else None
    message = pattern or _WORDS.get(fault["type"]) or str(fault["msg"]).removeprefix("Value error, ")
    index = fault["loc"][1] if len(fault["loc"]) > 1 and fault["loc"][0] == "recipients" else None
    return Refusal(code=code, message=message, field=field or None, index=index)


def printable(name: str) -> str:
    """Return an untrusted field name in a form that can be stored and printed."""
    name = name[:_LONGEST]
    return name if name.isprintable() else ascii(name)[1:-1]
