"""Solaris' webhooks: of persons' numbers in the vendor's format, of messages in a format that follows it."""

import hmac
import json
from hashlib import sha256
from uuid import UUID

import pytest

from pipeline.dialects.solaris import webhooks
from schema.vocabulary import Code, NumberMove, Status
from tests.dialects.webhook_payloads import AT, MESSAGE, payload, person_payload


def test_the_raw_body_is_signed_with_the_newest_secret() -> None:
    posting = webhooks.compose(payload(attempt=3), [b"new", b"old"], AT)

    assert posting
    headers = posting.headers
    assert headers["Solaris-Webhook-Signature"] == "sha256=" + hmac.new(b"new", posting.body, sha256).hexdigest()
    assert headers["Solaris-Webhook-Event-Type"] == "SMS_MESSAGE_DELIVERED"
    assert (headers["Solaris-Webhook-Attempt"], headers["Solaris-Entity-Id"]) == ("3", str(MESSAGE))


def test_the_payload_has_neither_number_nor_text() -> None:
    posting = webhooks.compose(payload(status=Status.FAILED, error_code=Code.EXPIRED), [b"new"], AT)

    assert posting
    said = {"id": str(MESSAGE), "status": "failed", "updated_at": "2026-11-21T10:00:05.250Z", "error": "expired"}
    assert json.loads(posting.body) == said


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED, Status.CANCELLED])
def test_queued_scheduled_and_cancelled_messages_have_no_event(status: Status) -> None:
    assert webhooks.compose(payload(status=status), [b"new"], AT) is None


def test_an_endpoint_gets_only_the_events_it_subscribes_to() -> None:
    assert webhooks.compose(payload(listens_to=frozenset({"SMS_MESSAGE_FAILED"})), [b"new"], AT) is None


# Numbers -------------------------------------------------------------------------------------------------------


def test_the_event_of_a_created_number_names_only_its_person() -> None:
    posting = webhooks.compose_number(person_payload(), [b"new", b"old"])

    assert posting
    assert posting.body == b"{}"
    assert posting.headers == {
        "Content-Type": "application/json",
        "Solaris-Webhook-Id": str(UUID(int=2)),
        "Solaris-Webhook-Subscription-Id": str(UUID(int=3)),
        "Solaris-Webhook-Event-Type": "PERSON_MOBILE_NUMBER_CREATED",
        "Solaris-Webhook-Attempt": "1",
        "Solaris-Webhook-Signature": "sha256=" + hmac.new(b"new", b"{}", sha256).hexdigest(),
        "Solaris-Entity-Id": "anna",
    }


def test_the_event_of_a_deleted_number_has_its_id() -> None:
    posting = webhooks.compose_number(person_payload(move=NumberMove.DELETED), [b"new"])

    assert posting
    assert json.loads(posting.body) == {"id": "244de401cf4ddbbbafbbc657312a7ce7cmno"}
    assert posting.headers["Solaris-Webhook-Event-Type"] == "PERSON_MOBILE_NUMBER_DELETED"


def test_an_endpoint_gets_only_the_number_events_it_subscribes_to() -> None:
    gone = frozenset({"PERSON_MOBILE_NUMBER_DELETED"})

    assert webhooks.compose_number(person_payload(listens_to=gone), [b"new"]) is None
    assert webhooks.compose_number(person_payload(listens_to=gone, move=NumberMove.DELETED), [b"new"])


def test_every_change_of_a_number_has_an_event() -> None:
    assert set(webhooks.NUMBER_EVENTS) == set(NumberMove)


# Greeted -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "welcome"), [(200, True), (204, True), (301, False), (404, False), (500, False)])
def test_a_new_endpoint_is_confirmed_by_a_2xx_response_to_an_empty_event(status: int, welcome: bool) -> None:
    assert webhooks.verification_call("secret").body == b""
    assert webhooks.verification_call("secret").headers["Solaris-Webhook-Event-Type"] == "WEBHOOK-SUBSCRIPTION"
    assert webhooks.is_confirmed("secret", status, b"") is welcome
