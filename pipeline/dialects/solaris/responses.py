"""What Solaris says when all is well."""

from uuid import UUID

from pipeline.dialects.contract import reply
from schema.api import ApiResponse, Person

ACCEPTED = "SMS has been accepted for processing."


def accepted(message: UUID) -> ApiResponse:
    """Return the answer to a message that was taken, now or before under its key."""
    return reply(202, {"id": str(message), "message": ACCEPTED})


def person(person_id: str, status: int = 200) -> ApiResponse:
    """Return a person: we keep of him that he is there."""
    return reply(status, {"id": person_id})


def person_id(id_: UUID) -> str:
    """Return a new person's id in the vendor's form."""
    return f"{id_.hex}cper"


def number(found: Person, status: int, *, verified: bool | None = None) -> ApiResponse:
    """Return a person's number, as it stands or as it was just made."""
    return reply(
        status,
        {
            "id": number_id(found),
            "number": found.phone,
            "verified": found.verified if verified is None else verified,
        },
    )


def number_id(found: Person) -> str:
    """Return the id of a person's number in the vendor's form."""
    assert found.phone_id is not None
    return spell_number(found.phone_id)


def spell_number(id_: UUID) -> str:
    """Return the id of a number in the vendor's form."""
    return f"{id_.hex}cmno"


def code_text(code: str) -> str:
    """Return the text that brings a code to the number it is to prove."""
    return f"Your verification code is {code}."
