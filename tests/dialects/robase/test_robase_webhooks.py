"""Robase's webhooks, as its own client verifies them."""

import json
from datetime import timedelta

import pytest
from robasedev.webhooks import WebhookVerificationError, verify_webhook_signature

from pipeline.dialects.robase import webhooks
from schema.vocabulary import Code, Status
from tests.dialects.webhook_payloads import AT, MESSAGE, payload

SECRET = b"whsec_new"
NOW = AT + timedelta(seconds=1)


def verify(header: str, body: bytes, secret: bytes, later: float = 0.0) -> None:
    verify_webhook_signature(payload=body, header=header, secret=secret.decode(), now=lambda: NOW.timestamp() + later)


def test_the_vendors_client_verifies_the_signature() -> None:
    posting = webhooks.compose(payload(), [SECRET], NOW)

    assert posting
    verify(posting.headers["Robase-Signature"], posting.body, SECRET)
    assert posting.headers["Robase-Event"] == "sms.delivered"
    with pytest.raises(WebhookVerificationError):
        verify(posting.headers["Robase-Signature"], posting.body + b" ", SECRET)
    with pytest.raises(WebhookVerificationError):
        verify(posting.headers["Robase-Signature"], posting.body, SECRET, later=400)


def test_after_a_rotation_the_signature_verifies_with_the_new_and_the_old_secret() -> None:
    posting = webhooks.compose(payload(), [SECRET, b"whsec_old"], NOW)

    assert posting
    header = posting.headers["Robase-Signature"]
    assert header.count("v1=") == 2
    verify(header, posting.body, SECRET)
    verify(",".join(header.split(",")[:2]), posting.body, b"whsec_old")


def test_the_payload_has_the_vendors_fields() -> None:
    posting = webhooks.compose(payload(test=True), [SECRET], NOW)

    assert posting
    assert json.loads(posting.body) == {
        "id": "evt_00000000-0000-0000-0000-000000000002",
        "type": "sms.delivered",
        "created_at": "2026-11-21T10:00:05.250Z",
        "data": {
            "sms_id": str(MESSAGE),
            "to": "+2348012345678",
            "from": "ACME",
            "status": "delivered",
            "segments": 1,
            "provider": "alpha",
            "provider_message_id": "ref-1",
            "carrier": None,
            "error_code": None,
            "error_message": None,
            "cost": {"amount_kobo": 400, "currency": "NGN"},
            "test_mode": True,
        },
    }


@pytest.mark.parametrize(
    ("status", "event"),
    [
        (Status.QUEUED, "sms.queued"),
        (Status.SENT, "sms.sent"),
        (Status.FAILED, "sms.failed"),
        (Status.REJECTED, "sms.rejected"),
        (Status.CANCELLED, None),
        (Status.SCHEDULED, None),
    ],
)
def test_each_status_has_its_event_or_no_event(status: Status, event: str | None) -> None:
    posting = webhooks.compose(payload(status=status), [SECRET], NOW)

    assert (posting.headers["Robase-Event"] if posting else None) == event


def test_an_endpoint_gets_only_the_events_it_subscribes_to() -> None:
    listens_to = frozenset({"sms.failed"})

    assert webhooks.compose(payload(listens_to=listens_to), [SECRET], NOW) is None
    assert webhooks.compose(payload(listens_to=listens_to, status=Status.FAILED), [SECRET], NOW)


@pytest.mark.parametrize("code", Code)
def test_every_failure_has_an_error_code_and_a_message(code: Code) -> None:
    word, sentence = webhooks.failure(code)

    assert word
    assert sentence
