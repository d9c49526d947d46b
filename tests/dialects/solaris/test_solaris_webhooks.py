"""Solaris' webhooks: of persons' numbers as the vendor has them, of messages in their manner."""

import hmac
import json
from hashlib import sha256
from uuid import UUID

import pytest

from pipeline.dialects.solaris import webhooks
from schema.vocabulary import Code, NumberMove, Status
from tests.dialects.webhook_payloads import AT, MESSAGE, payload, person_payload


def test_the_signature_is_that_of_the_raw_body_by_the_new_secret() -> None:
    posting = webhooks.compose(payload(attempt=3), [b"new", b"old"], AT)

    assert posting
    headers = posting.headers
    assert headers["Solaris-Webhook-Signature"] == "sha256=" + hmac.new(b"new", posting.body, sha256).hexdigest()
    assert headers["Solaris-Webhook-Event-Type"] == "SMS_MESSAGE_DELIVERED"
    assert (headers["Solaris-Webhook-Attempt"], headers["Solaris-Entity-Id"]) == ("3", str(MESSAGE))


def test_neither_number_nor_text_is_told() -> None:
    posting = webhooks.compose(payload(status=Status.FAILED, error_code=Code.EXPIRED), [b"new"], AT)

    assert posting
    said = {"id": str(MESSAGE), "status": "failed", "updated_at": "2026-11-21T10:00:05.250Z", "error": "expired"}
    assert json.loads(posting.body) == said


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED, Status.CANCELLED])
def test_what_the_answer_said_already_is_not_told(status: Status) -> None:
    assert webhooks.compose(payload(status=status), [b"new"], AT) is None


def test_an_endpoint_hears_only_what_it_asked_for() -> None:
    assert webhooks.compose(payload(listens_to=frozenset({"SMS_MESSAGE_FAILED"})), [b"new"], AT) is None


# Numbers -------------------------------------------------------------------------------------------------------


def test_a_new_number_is_told_by_its_person_alone() -> None:
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


def test_a_number_that_went_is_told_by_its_id() -> None:
    posting = webhooks.compose_number(person_payload(move=NumberMove.DELETED), [b"new"])

    assert posting
    assert json.loads(posting.body) == {"id": "244de401cf4ddbbbafbbc657312a7ce7cmno"}
    assert posting.headers["Solaris-Webhook-Event-Type"] == "PERSON_MOBILE_NUMBER_DELETED"


def test_an_endpoint_hears_of_numbers_only_if_it_asked_for_that() -> None:
    gone = frozenset({"PERSON_MOBILE_NUMBER_DELETED"})

    assert webhooks.compose_number(person_payload(listens_to=gone), [b"new"]) is None
    assert webhooks.compose_number(person_payload(listens_to=gone, move=NumberMove.DELETED), [b"new"])


def test_every_move_of_a_number_has_a_word() -> None:
    assert set(webhooks.NUMBER_EVENTS) == set(NumberMove)


# Greeted -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "welcome"), [(200, True), (204, True), (301, False), (404, False), (500, False)])
def test_a_new_endpoint_is_sent_an_empty_event_and_answers_2xx(status: int, welcome: bool) -> None:
    assert webhooks.verification_call("secret").body == b""
    assert webhooks.verification_call("secret").headers["Solaris-Webhook-Event-Type"] == "WEBHOOK-SUBSCRIPTION"
    assert webhooks.is_confirmed("secret", status, b"") is welcome
