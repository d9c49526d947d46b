"""What TeleSign answers when it says yes."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pipeline.dialects.contract import reply
from pipeline.dialects.telesign.statuses import WORDS
from schema.api import ApiResponse

#: the only product we speak for
RESOURCE = "sms"
#: nobody has asserted a code
UNKNOWN = "UNKNOWN"


def spelt(reference: UUID) -> str:
    """Return a transaction's id as they write it: 32 capital hex digits."""
    return reference.hex.upper()


def stamp(at: datetime) -> str:
    """Return a moment in UTC as they write it, always with six digits of a second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def status_of(code: int, at: datetime) -> dict[str, Any]:
    """Return the object that says where a transaction stands since when."""
    return {"updated_on": stamp(at), "code": code, "description": WORDS[code]}


def standing(reference: UUID, code: int, at: datetime, *, state: str = UNKNOWN, entered: str = "") -> ApiResponse:
    """Return where a transaction stands, and what was made of the code that somebody entered."""
    return reply(
        200,
        {
            "reference_id": spelt(reference),
            "sub_resource": RESOURCE,
            "errors": [],
            "status": status_of(code, at),
            "verify": {"code_state": state, "code_entered": entered},
        },
    )


def completed(reference: UUID, at: datetime) -> ApiResponse:
    """Return that a completion was recorded; `subresource` is their own spelling here."""
    return reply(
        200,
        {
            "reference_id": spelt(reference),
            "subresource": RESOURCE,
            "errors": [],
            "status": status_of(1900, at),
        },
    )
