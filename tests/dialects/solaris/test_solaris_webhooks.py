"""Solaris' webhooks: the headers and the signature of its person webhooks."""

import hmac
import json
from hashlib import sha256

import pytest

from pipeline.dialects.solaris import webhooks
from schema.vocabulary import Code, Status
from tests.dialects.tellings import AT, MESSAGE, news


def test_the_signature_is_that_of_the_raw_body_by_the_new_secret() -> None:
    posting = webhooks.compose(news(attempt=3), [b"new", b"old"], AT)

    assert posting
    headers = posting.headers
    assert headers["Solaris-Webhook-Signature"] == "sha256=" + hmac.new(b"new", posting.body, sha256).hexdigest()
    assert headers["Solaris-Webhook-Event-Type"] == "SMS_MESSAGE_DELIVERED"
    assert (headers["Solaris-Webhook-Attempt"], headers["Solaris-Entity-Id"]) == ("3", str(MESSAGE))


def test_neither_number_nor_text_is_told() -> None:
    posting = webhooks.compose(news(status=Status.FAILED, error_code=Code.EXPIRED), [b"new"], AT)

    assert posting
    said = {"id": str(MESSAGE), "status": "failed", "updated_at": "2026-11-21T10:00:05.250Z", "error": "expired"}
    assert json.loads(posting.body) == said


@pytest.mark.parametrize("status", [Status.QUEUED, Status.SCHEDULED, Status.CANCELLED])
def test_what_the_answer_said_already_is_not_told(status: Status) -> None:
    assert webhooks.compose(news(status=status), [b"new"], AT) is None


def test_an_endpoint_hears_only_what_it_asked_for() -> None:
    assert webhooks.compose(news(hears=frozenset({"SMS_MESSAGE_FAILED"})), [b"new"], AT) is None
