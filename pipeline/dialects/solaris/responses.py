"""Solaris' success responses: messages, persons, mobile numbers; and the text of a verification SMS."""

from uuid import UUID

from pipeline.dialects.contract import reply
from schema.api import ApiResponse, Person

ACCEPTED = "SMS has been accepted for processing."


def accepted(message: UUID) -> ApiResponse:
    """Return the response to a message that was accepted, now or before under its idempotency key."""
    return reply(202, {"id": str(message), "message": ACCEPTED})


def person(person_id: str, status: int = 200) -> ApiResponse:
    """Return the response with a person: only the id is stored."""
    return reply(status, {"id": person_id})


def person_id(id_: UUID) -> str:
    """Return a new person's id in the vendor's format."""
    return f"{id_.hex}cper"


def number(found: Person, status: int, *, verified: bool | None = None) -> ApiResponse:
    """Return the response with a person's number; `verified`: instead of the stored state."""
    return reply(
        status,
        {
            "id": number_id(found),
            "number": found.phone,
            "verified": found.verified if verified is None else verified,
        },
    )


def number_id(found: Person) -> str:
    """Return the id of a person's number in the vendor's format."""
    assert found.phone_id is not None
    return spell_number(found.phone_id)


def spell_number(id_: UUID) -> str:
    """Return the id of a number in the vendor's format."""
    return f"{id_.hex}cmno"


def code_text(code: str) -> str:
    """Return the text of the SMS with a verification code."""
    return f"Your verification code is {code}."
