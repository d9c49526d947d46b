"""Webex Interact's webhooks: payloads, signatures, and the confirmation of new endpoints."""

import hmac
import json
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest

from pipeline.dialects.contract import WebhookFormatter
from pipeline.dialects.webex import webhooks
from schema.api import WebhookPost
from schema.vocabulary import Encoding, Status
from tests.dialects.vendors import Vendor
from tests.dialects.webhook_payloads import AT, payload

SECRETS = (b"the newest", b"the one before")


def compose(**fields: Any) -> WebhookPost | None:
    return webhooks.compose(payload(dialect=Vendor.WEBEX, **fields), SECRETS, AT)


def content(**fields: Any) -> Any:
    posting = compose(**fields)
    assert posting
    return json.loads(posting.body)


def test_the_module_implements_the_webhook_formatter_protocol() -> None:
    formatter: WebhookFormatter = webhooks

    assert (formatter.SCHEDULE, formatter.TIMEOUT) == ((60, 60, 60), 10)
    assert 200 in formatter.SUCCESSES


def test_the_event_of_a_submitted_message_has_the_vendors_fields() -> None:
    posting = compose(
        status=Status.SENT,
        phone="+447700900123",
        sender="Acme",
        correlation_id="corr_id_1",
        send_at=datetime(2026, 11, 21, 10, tzinfo=UTC),
    )

    assert posting
    assert posting.body.decode() == (
        '{"specversion":"1.0","type":"com.interact.messages.sms.status",'
        '"source":"https://api.webexinteract.com/v1/sms","id":"evt_3MPbZU436mmzSmcHLi4HIIya2de",'
        '"time":"2026-11-21T10:00:05Z","datacontenttype":"application/json",'
        '"data":{"status":"submitted","channel":"sms","code":"1003","phone_number":"+447700900123","from":"Acme",'
        '"message_body":"Your ride arrives at 9.","message_parts":"1","scheduled_at":"2026-11-21T10:00:00Z"},'
        '"correlation_id":"corr_id_1","transaction_id":"tid_37f5idiwYIKAPdCpqWbZFXE7pqa"}'
    )


@pytest.mark.parametrize(
    ("status", "word"),
    [(Status.DELIVERED, "delivered"), (Status.FAILED, "failed"), (Status.REJECTED, "failed")],
)
def test_the_event_of_a_final_status_has_no_code(status: Status, word: str) -> None:
    notification = content(status=status)

    assert notification["data"] == {
        "status": word,
        "channel": "sms",
        "phone_number": "+2348012345678",
        "from": "ACME",
        "message_body": "Your ride arrives at 9.",
        "message_parts": "1",
    }
    assert "correlation_id" not in notification


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED, Status.CANCELLED])
def test_queued_scheduled_and_cancelled_messages_have_no_event(status: Status) -> None:
    assert compose(status=status) is None


def test_an_endpoint_gets_only_the_statuses_it_subscribes_to() -> None:
    assert compose(listens_to=frozenset({"failed"})) is None
    assert compose(listens_to=frozenset({"delivered"}))


@pytest.mark.parametrize(("length", "parts"), [(70, "1"), (71, "2"), (126, "2"), (127, "3"), (134, "3")])
def test_parts_of_long_ucs2_texts_are_counted_by_63_characters(length: int, parts: str) -> None:
    notification = content(body="я" * length, encoding=Encoding.UCS2, segments=2)

    assert notification["data"]["message_parts"] == parts


def test_an_event_has_the_same_id_at_every_delivery_attempt() -> None:
    first, again = content(attempt=1), content(attempt=2, delivery=UUID(int=9))

    assert first == again


def test_the_body_is_signed_with_the_newest_secret() -> None:
    posting = compose()

    assert posting
    assert posting.headers == {
        "Content-Type": "application/json",
        "x-hub-signature": hmac.new(b"the newest", posting.body, sha256).hexdigest(),
    }


@pytest.mark.parametrize(
    ("status", "body", "welcome"),
    [
        (200, b"s3cret", True),
        (200, b'{"secret": "s3cret"}', True),
        (200, b"<p>s3cret</p>", True),
        (200, b"", False),
        (200, b"S3CRET", False),
        (201, b"s3cret", False),
        (404, b"s3cret", False),
    ],
)
def test_a_new_endpoint_is_confirmed_by_a_200_response_with_the_secret(status: int, body: bytes, welcome: bool) -> None:
    assert json.loads(webhooks.verification_call("s3cret").body) == {"secret": "s3cret"}
    assert webhooks.is_confirmed("s3cret", status, body) is welcome
