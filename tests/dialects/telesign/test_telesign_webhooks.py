"""TeleSign's delivery reports, as the vendor's own helper verifies them."""

import json
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from telesign.util import verify_telesign_callback_signature

from pipeline.dialects.telesign import webhooks
from schema.api import WebhookPost
from schema.vocabulary import Code, Status
from tests.dialects.vendors import Vendor
from tests.dialects.webhook_payloads import payload

SECRET = b"k" * 64
CUSTOMER = "FFFFFFFF-EEEE-DDDD-1234-AB1234567890"
NOW = datetime(2026, 11, 21, 10, 0, 6, tzinfo=UTC)
REQUEST = UUID("019b7a2e-4d51-7c3a-9f10-2b6c1d3e4f50")


def notification(**fields: Any) -> WebhookPost | None:
    payload_of_it = payload(dialect=Vendor.TELESIGN, handle=CUSTOMER, request=REQUEST, **fields)
    return webhooks.compose(payload_of_it, [SECRET, b"the one before"], NOW)


def said(**fields: Any) -> Any:
    posting = notification(**fields)
    assert posting is not None
    return json.loads(posting.body)


def test_a_delivery_report_has_the_fields_of_the_vendors_example_in_order() -> None:
    posting = notification()

    assert posting is not None
    assert posting.body.decode() == (
        '{"status":{"code":200,"description":"Delivered to handset","updated_on":"2026-11-21T10:00:05.250000Z"},'
        '"submit_timestamp":"2026-11-21T10:00:00.000000Z","errors":[],'
        '"reference_id":"019B7A2E4D517C3A9F102B6C1D3E4F50",'
        '"verify":{"code_state":"UNKNOWN","code_entered":null},"sub_resource":"sms"}'
    )


def test_the_vendors_helper_accepts_the_signature_in_both_headers() -> None:
    posting = notification()

    assert posting is not None
    scheme, _, rest = posting.headers["Authorization"].partition(" ")
    customer, _, signature = rest.partition(":")
    assert (scheme, customer) == ("TSA", CUSTOMER)
    assert verify_telesign_callback_signature(b64encode(SECRET).decode(), signature, posting.body.decode())
    assert posting.headers["X-TS-Authorization"] == posting.headers["Authorization"]
    assert posting.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "cause", "code", "words"),
    [
        (Status.SENT, None, 203, "Delivered to gateway"),
        (Status.DELIVERED, None, 200, "Delivered to handset"),
        (Status.FAILED, Code.UNDELIVERED, 207, "Error delivering SMS to handset (reason unknown)"),
        (Status.FAILED, Code.EXPIRED, 221, "Message expired before delivery"),
        (Status.FAILED, Code.NO_CARRIER_LEFT, 505, "Error on gateway - temporary error"),
        (Status.CANCELLED, None, 229, "Message blocked by customer request"),
    ],
)
def test_the_status_of_a_message_is_reported_with_code_and_description(
    status: Status, cause: Code | None, code: int, words: str
) -> None:
    report = said(status=status, error_code=cause)

    assert (report["status"]["code"], report["status"]["description"], report["errors"]) == (code, words, [])


def test_insufficient_funds_are_reported_as_an_error() -> None:
    report = said(status=Status.REJECTED, error_code=Code.INSUFFICIENT_FUNDS)

    assert report["status"]["code"] == 500
    assert report["errors"] == [{"code": -10030, "description": "Insufficient funds in prepaid wallet."}]


@pytest.mark.parametrize("status", [Status.SCHEDULED, Status.QUEUED])
def test_scheduled_and_queued_messages_have_no_delivery_report(status: Status) -> None:
    assert notification(status=status) is None


def test_an_endpoint_gets_only_the_status_codes_it_subscribes_to() -> None:
    assert notification(listens_to=frozenset({"203"})) is None
    assert notification(listens_to=frozenset({"200"})) is not None


def test_a_delivery_report_has_neither_number_nor_text() -> None:
    posting = notification(body="Your code is 9081726", phone="+15555551234")

    assert posting is not None
    assert not any(secret in str(posting) for secret in ("9081726", "5555551234"))


def test_a_failed_delivery_report_is_retried_three_times_within_30_seconds() -> None:
    assert webhooks.SCHEDULE == (5.0, 10.0, 15.0)
    assert webhooks.TIMEOUT == 5
    assert [status for status in range(100, 600) if status in webhooks.SUCCESSES] == [200]
