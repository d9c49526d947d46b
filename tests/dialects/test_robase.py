"""Robase's dialect without a server: error table, authentication, requests, and the documented responses."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.dialects.robase import errors, requests, responses, templates
from pipeline.dialects.robase.authentication import AUTHENTICATION
from pipeline.rules.identity import ids
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse
from schema.api_views import ShownAttempt, ShownMessage
from schema.message import AcceptedMessage, Answered, Refusal
from schema.message_class import MessageClass
from schema.vocabulary import AccountState, Code, Encoding, Outcome, Status
from tests.dialects.vendors import Vendor

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
ID = ids.new_ids(NOW, 0)
KEY = ApiKey(1, 1, "acme", AccountState.ACTIVE, "NGN", Vendor.ROBASE, "h", False, frozenset(), (), {})

#: docs.robase.dev/concepts/errors
HTTP = {
    "validation_error": {400, 405, 413, 414, 415, 431},
    "phone_invalid": {400},
    "sender_id_invalid": {400},
    "dnd_blocked": {400},
    "authentication_error": {401},
    "sms_quota_exceeded": {402},
    "permission_error": {403},
    "not_found": {404},
    "conflict": {409},
    "rate_limit_exceeded": {429},
    "internal_error": {500, 503},
}

WRITTEN = AcceptedMessage(
    id=ID,
    phone="+2348012345678",
    country="NG",
    sender="ACMERIDE",
    body="Your ride arrives at 9.",
    correlation_id=None,
    encoding=Encoding.GSM7,
    segments=1,
    amount=400,
    quota=0,
    carrier="sim_a",
    send_at=NOW + timedelta(hours=1),
    valid_until=NOW + timedelta(hours=48),
    test=False,
    refusal=None,
)
SEEN = ShownMessage(
    id=ID,
    request=UUID(int=9),
    message_class=MessageClass.TRANSACTIONAL,
    status=Status.DELIVERED,
    phone="+2348012345678",
    country="NG",
    sender="ACMERIDE",
    body="Your ride arrives at 9.",
    encoding=Encoding.GSM7,
    segments=1,
    amount=400,
    quota=0,
    correlation_id=None,
    error_code=None,
    carrier="sim_a",
    test=False,
    send_at=None,
    sent_at=NOW + timedelta(seconds=1),
    final_at=NOW + timedelta(seconds=3),
    tries=(
        ShownAttempt("sim_a", Outcome.REFUSED_TRANSIENT, None, "busy", None, NOW),
        ShownAttempt("sim_b", Outcome.ACCEPTED, "ref-1", None, None, NOW + timedelta(seconds=1)),
    ),
)


def call(body: Any = None, **headers: str) -> ApiRequest:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return ApiRequest("POST", "/v1/sms", "", headers, sent, "127.0.0.1")


def notification(reply: ApiResponse) -> Any:
    return json.loads(reply.body)


def test_every_code_has_an_error() -> None:
    assert set(errors.ERRORS) == set(Code)


@pytest.mark.parametrize("code", Code)
def test_every_error_type_is_the_vendors_and_has_its_http_status(code: Code) -> None:
    status, kind, words = errors.ERRORS[code]
    reply = errors.refuse(call(), [Refusal(code, "our words", "recipients[3].to")])

    assert status in HTTP[kind]
    assert reply.status == status
    assert notification(reply) == {"error": {"type": kind, "message": words or "our words", "field": "to"}}
    assert ("Retry-After" in reply.headers) == (status in (429, 503))


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (
            Refusal(Code.MISSING_FIELD, "recipient required", "to"),
            {"type": "validation_error", "message": "recipient required", "field": "to"},
        ),
        (
            Refusal(Code.INSUFFICIENT_FUNDS, ""),
            {"type": "sms_quota_exceeded", "message": "monthly quota and wallet are both exhausted"},
        ),
        (
            Refusal(Code.CONFLICT, "message is already queued and can no longer be cancelled"),
            {"type": "conflict", "message": "message is already queued and can no longer be cancelled"},
        ),
    ],
)
def test_errors_match_the_documentation(refusal: Refusal, error: dict[str, str]) -> None:
    assert notification(errors.refuse(call(), [refusal])) == {"error": error}


@pytest.mark.parametrize(("wait", "seconds"), [(0.0, "1"), (0.05, "1"), (1.2, "2"), (float("inf"), "3600")])
def test_a_rate_limited_request_gets_retry_after(wait: float, seconds: str) -> None:
    assert errors.refuse(call(), [Refusal(Code.RATE_KEY, "")], wait).headers["Retry-After"] == seconds


def test_ten_calls_a_second_are_allowed() -> None:
    assert (AUTHENTICATION.rate, AUTHENTICATION.burst) == (10, 10)


def test_an_api_key_is_looked_up_by_its_keyed_hash() -> None:
    vault = Vault("x" * 32)
    token = "rb_live_" + "a1" * 16

    assert (
        AUTHENTICATION.find_handle(call(authorization=f"bearer {token}"), vault)
        == vault.digest("key", "robase", token).hex()
    )


def test_the_response_to_a_scheduled_message_matches_the_documentation() -> None:
    reply = responses.sent(call(), Answered(ID, [WRITTEN], []), "NGN")

    assert reply.status == 202
    assert reply.body.decode() == (
        f'{{"id":"{ID}","status":"scheduled","to":"+2348012345678","from":"ACMERIDE","body":"Your ride arrives at 9.",'
        '"segments":1,"encoding":"GSM7","country":"NG","cost":{"amount_kobo":400,"currency":"NGN"},"provider":"sim_a",'
        '"test_mode":false,"created_at":"2026-11-21T10:00:00Z"}'
    )


def test_a_message_is_returned_with_attempts_and_events() -> None:
    begun = datetime(2026, 11, 21, 10, tzinfo=UTC)
    moves = [
        (Status.SCHEDULED, begun),
        (Status.QUEUED, begun),
        (Status.SENT, begun + timedelta(seconds=1)),
        (Status.DELIVERED, begun + timedelta(seconds=3)),
    ]

    assert notification(responses.message_with_history(SEEN, moves, "NGN")) == {
        "sms": {
            "id": str(ID),
            "status": "delivered",
            "to": "+2348012345678",
            "from": "ACMERIDE",
            "body": "Your ride arrives at 9.",
            "segments": 1,
            "encoding": "GSM7",
            "country": "NG",
            "provider": "sim_b",
            "provider_message_id": "ref-1",
            "provider_attempts": [
                {
                    "provider": "sim_a",
                    "attempted_at": "2026-11-21T10:00:00Z",
                    "ok": False,
                    "error_code": "busy",
                    "error_message": "the provider did not take it now",
                },
                {
                    "provider": "sim_b",
                    "attempted_at": "2026-11-21T10:00:01Z",
                    "ok": True,
                    "provider_message_id": "ref-1",
                },
            ],
            "cost": {"amount_kobo": 400, "currency": "NGN"},
            "test_mode": False,
            "created_at": "2026-11-21T10:00:00Z",
            "sent_at": "2026-11-21T10:00:01Z",
            "delivered_at": "2026-11-21T10:00:03Z",
        },
        "events": [
            {"type": "sms.scheduled", "created_at": "2026-11-21T10:00:00Z"},
            {"type": "sms.queued", "created_at": "2026-11-21T10:00:00Z"},
            {"type": "sms.sent", "created_at": "2026-11-21T10:00:01Z"},
            {"type": "sms.delivered", "created_at": "2026-11-21T10:00:03Z"},
        ],
    }


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (Status.FAILED, Code.EXPIRED, "expired"),
        (Status.FAILED, Code.UNDELIVERED, "undelivered"),
        (Status.REJECTED, Code.INSUFFICIENT_FUNDS, "sms_quota_exceeded"),
    ],
)
def test_a_failed_or_rejected_message_has_an_error_code_and_message(status: Status, code: Code, word: str) -> None:
    shown = responses.message(replace(SEEN, status=status, error_code=code), "NGN")

    assert (shown["status"], shown["error_code"]) == (status, word)
    assert shown["error_message"]
    assert "delivered_at" not in shown


def test_the_response_to_a_batch_matches_the_documentation() -> None:
    rows: list[AcceptedMessage | Refusal] = [WRITTEN, Refusal(Code.PHONE_INVALID, "", "to"), WRITTEN]
    reply = responses.batch(rows, [False, False, True], "NGN")

    sms = responses.accepted(WRITTEN, "NGN")
    assert reply.status == 200
    assert notification(reply) == {
        "accepted": 2,
        "failed": 1,
        "success": False,
        "data": [
            {"index": 0, "sms": sms},
            {
                "index": 1,
                "error": {
                    "type": "phone_invalid",
                    "message": "recipient is not a valid E.164 phone number",
                    "field": "to",
                },
            },
            {"index": 2, "replayed": True, "sms": sms},
        ],
    }


def test_the_texts_of_an_order_are_merge_values_and_not_templates() -> None:
    rows = [
        (requests.RobaseMessage("+2348012345678", None, None, {}), "${text} {{.x}}"),
        (requests.RobaseMessage("+1", None, None, {}), "two"),
    ]

    order = requests.order(KEY, "ACME", rows, send_at=None, name="batch", idempotency_key=None, now=NOW)

    assert (order.account, order.body, order.door, order.submitted_at) == ("acme", "${text}", "robase.batch", NOW)
    assert [each.merge for each in order.recipients] == [{"text": "${text} {{.x}}"}, {"text": "two"}]


def test_send_at_is_accepted_up_to_thirty_days_ahead() -> None:
    ride = {"to": "+2348012345678", "from": "ACME", "body": "x"}
    edge = NOW + requests.LEAD

    asked = requests.read_sms(call(ride | {"send_at": edge.isoformat()}), KEY, NOW)
    refused = requests.read_sms(call(ride | {"send_at": (edge + timedelta(seconds=1)).isoformat()}), KEY, NOW)

    assert isinstance(asked, requests.SmsRequest)
    assert asked.send_at == edge
    assert isinstance(refused, Refusal)
    assert refused.code is Code.SCHEDULE_FAR


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Ride arriving", "ride-arriving"),
        ("  Été — 2026!  ", "ete-2026"),
        ("ОТП", ""),
        ("---", ""),
        ("x" * 70, "x" * 64),
    ],
)
def test_a_slug_is_derived_from_the_name(name: str, slug: str) -> None:
    assert templates.slug(name) == slug


def test_a_template_is_named_by_slug_prefixed_id_or_uuid() -> None:
    id_ = UUID("019b7a2e-4d51-7c3a-9f10-2b6c1d3e4f50")

    assert templates.slug_or_id(templates.format_id(id_)) == str(id_)
    assert [templates.slug_or_id(word) for word in ("ride", "tpl_ride", str(id_))] == ["ride", "tpl_ride", str(id_)]
