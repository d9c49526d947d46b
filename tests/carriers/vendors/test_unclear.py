"""Ambiguous responses: no vendor's message counts as accepted or refused by one."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.carriers import http
from pipeline.carriers.vendors import africas_talking, infobip, termii, twilio, vonage
from schema.vocabulary import Outcome
from tests.carriers.vendors.exchanges import REF, answer

JUDGES = {
    "africas_talking": africas_talking.judge,
    "http": http.judge,
    "infobip": infobip.judge,
    "termii": termii.judge,
    "twilio": twilio.judge,
    "vonage": vonage.judge,
}
BODIES: dict[str, Any] = {
    "a page": b"<html><body>Maintenance</body></html>",
    "nothing": b"",
    "an empty object": {},
    "an empty list": [],
    "null": None,
    "a text": "ok",
    "an error": {"error": "down for maintenance"},
    "nested nulls": {"messages": [None], "SMSMessageData": {"Recipients": [None]}, "sid": None, "id": None},
    "half of it": b'{"messages": [{"status": "0"',
}


@pytest.mark.parametrize("kind", JUDGES)
@pytest.mark.parametrize("status", [200, 201, 202, 204])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_success_status_with_an_ambiguous_body_is_unknown(kind: str, status: int, body: Any) -> None:
    assert JUDGES[kind](REF, answer(status, body)).outcome is Outcome.UNKNOWN


def test_every_vendor_is_tested() -> None:
    vendors = Path(africas_talking.__file__).parent
    shared = {"__init__", "dlt_registrations", "vendor_client", "posted_receipts", "scalar_parsers", "urls"}

    assert {each.stem for each in vendors.glob("*.py")} - shared | {"http"} == set(JUDGES)
