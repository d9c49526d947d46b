"""Message and person events for the tests of webhook formatters."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from schema.api import MessageEvent, PersonEvent
from schema.vocabulary import Encoding, NumberMove, Status
from tests.dialects.vendors import Vendor

AT = datetime(2026, 11, 21, 10, 0, 5, 250_000, UTC)
MESSAGE = UUID("019b7a2e-4d51-7c3a-9f10-2b6c1d3e4f50")


def payload(**fields: Any) -> MessageEvent:
    """Return the event of a delivered message, with these fields replaced."""
    return MessageEvent(
        **{
            "delivery": UUID(int=1),
            "event": UUID(int=2),
            "endpoint": UUID(int=3),
            "dialect": Vendor.ROBASE,
            "listens_to": frozenset(),
            "attempt": 1,
            "status": Status.DELIVERED,
            "at": AT,
            "message": MESSAGE,
            "request": UUID(int=4),
            "created_at": datetime(2026, 11, 21, 10, tzinfo=UTC),
            "account": "acme",
            "handle": None,
            "phone": "+2348012345678",
            "country": "NG",
            "sender": "ACME",
            "body": "Your ride arrives at 9.",
            "encoding": Encoding.GSM7,
            "segments": 1,
            "amount": 400,
            "currency": "NGN",
            "quota": 0,
            "carrier": "alpha",
            "carrier_ref": "ref-1",
            "error_code": None,
            "carrier_code": None,
            "correlation_id": None,
            "test": False,
            "send_at": None,
            **fields,
        }
    )


def person_payload(**fields: Any) -> PersonEvent:
    """Return the event of a person's new number, with these fields replaced."""
    return PersonEvent(
        **{
            "delivery": UUID(int=1),
            "event": UUID(int=2),
            "endpoint": UUID(int=3),
            "dialect": Vendor.SOLARIS,
            "listens_to": frozenset(),
            "attempt": 1,
            "move": NumberMove.CREATED,
            "at": AT,
            "person": "anna",
            "number": UUID("244de401cf4ddbbbafbbc657312a7ce7"),
            **fields,
        }
    )
