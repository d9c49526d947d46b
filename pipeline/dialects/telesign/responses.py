"""TeleSign's success responses: transactions and completions."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pipeline.dialects.contract import reply
from pipeline.dialects.telesign.statuses import WORDS
from schema.api import ApiResponse

#: the only product that is served
RESOURCE = "sms"
#: code_state when no code was checked
UNKNOWN = "UNKNOWN"


def format_reference(reference: UUID) -> str:
    """Return a transaction's id in the vendor's format: 32 upper-case hex digits."""
    return reference.hex.upper()


def stamp(at: datetime) -> str:
    """Return a time in the vendor's format: UTC, always with six digits of a second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def status_of(code: int, at: datetime) -> dict[str, Any]:
    """Return a status object: code, description, time of the last change."""
    return {"updated_on": stamp(at), "code": code, "description": WORDS[code]}


def verification_status(
    reference: UUID, code: int, at: datetime, *, state: str = UNKNOWN, entered: str = ""
) -> ApiResponse:
    """Return the response with a transaction's status, and the result of checking the entered code."""
    return reply(
        200,
        {
            "reference_id": format_reference(reference),
            "sub_resource": RESOURCE,
            "errors": [],
            "status": status_of(code, at),
            "verify": {"code_state": state, "code_entered": entered},
        },
    )


def completed(reference: UUID, at: datetime) -> ApiResponse:
    """Return the response to a recorded completion; `subresource` is the vendor's own spelling here."""
    return reply(
        200,
        {
            "reference_id": format_reference(reference),
            "subresource": RESOURCE,
            "errors": [],
            "status": status_of(1900, at),
        },
    )
