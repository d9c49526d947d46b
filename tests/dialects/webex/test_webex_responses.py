"""Webex Interact's responses, field by field, and the format of every refusal."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.dialects.webex import errors, responses
from pipeline.dialects.webex.authentication import AUTHENTICATION
from pipeline.rules.identity import ids
from pipeline.vault import Vault
from schema.api import ApiKey, ApiRequest, ApiResponse
from schema.api_views import AccountBalance, ShownSchedule, ShownSenderId
from schema.message import AcceptedMessage, Answered, Refusal
from schema.order import Recipient
from schema.vocabulary import AccountState, Code, Encoding, SenderState, Status
from tests.dialects.vendors import Vendor

AT = datetime(2026, 11, 21, 10, tzinfo=UTC)
FIRST = ids.new_ids(AT, 12345)
CALL = ApiRequest("POST", "/v1/sms", "", {}, b"", "127.0.0.1", AT, UUID("019b7a2e-4d51-7c3a-9f10-2b6c1d3e4f50"))
KEY = ApiKey(1, 1, "acme", AccountState.ACTIVE, "GBP", Vendor.WEBEX, "h", False, frozenset(), (), {})


def written(place: int, refusal: Code | None = None) -> AcceptedMessage:
    return AcceptedMessage(
        ids.after(FIRST, place), "+447700900123", "GB", "ACME", "Hello", None, Encoding.GSM7, 1, 4, 0, "alpha", None,
        AT, False, refusal,
    )  # fmt: skip


def notification(reply: ApiResponse) -> Any:
    return json.loads(reply.body)


def test_each_number_has_a_transaction_or_an_error_in_request_order() -> None:
    recipients = [Recipient(to=word) for word in ("+44 7700 900123", "+4477", "+447700900124", "+447700900125", "+9")]
    refusals = [Refusal(Code.PHONE_INVALID, "no", "recipients[1].to", 1), Refusal(Code.NO_ROUTE, "no", None, 4)]
    answered = Answered(FIRST, [written(0), None, written(2), written(3, Code.INSUFFICIENT_FUNDS), None], refusals)

    reply = responses.sent(recipients, answered)

    assert (reply.status, reply.headers) == (200, {"Content-Type": "application/json"})
    assert reply.body.decode() == (
        '{"request_id":"aps_3MPbYr9nx5dyLKQyD8s8oZkcSvh","messages":['
        '{"transaction_id":"tid_3MPbYr9nx5dyLKQyD8s8oZkcSvh","to":"+44 7700 900123","status":"queued","code":1001},'
        '{"transaction_id":"tid_3MPbYr9nx5dyLKQyD8s8oZkcSvj","to":"+447700900124","status":"queued","code":1001}],'
        '"errors":['
        '{"to":"+4477","status":"error","code":1002,"message":"Invalid phone number or unsupported region."},'
        '{"to":"+447700900125","status":"error","code":1007,"message":"Insufficient credit."},'
        '{"to":"+9","status":"error","code":1002,"message":"Invalid phone number or unsupported region."}]}'
    )


def test_errors_is_an_empty_array_without_errors() -> None:
    reply = responses.sent([Recipient(to="+447700900123")], Answered(FIRST, [written(0)], []))

    assert notification(reply)["errors"] == []


@pytest.mark.parametrize("code", [*sorted(responses.NUMBERS), Code.BODY_TOO_LONG, Code.BODY_EMPTY])
def test_every_refusal_of_a_number_has_a_message(code: Code) -> None:
    reply = responses.sent([Recipient(to="+9")], Answered(FIRST, [None], [Refusal(code, "", None, 0)]))

    [error] = notification(reply)["errors"]
    assert error == {
        "to": "+9",
        "status": "error",
        "code": responses.NUMBERS.get(code, 10006),
        "message": error["message"],
    }
    assert error["message"]


# Refusals -----------------------------------------------------------------------------------------------------


def test_every_code_has_an_error() -> None:
    assert set(errors.ERRORS) == set(Code)


@pytest.mark.parametrize("code", list(Code))
def test_every_refusal_has_one_of_the_two_error_formats(code: Code) -> None:
    for path in ("/v1/sms", "/v1/sms/", "/v1/sms/test", "/assets/v1/senders"):
        call = ApiRequest("POST", path, "", {}, b"", "127.0.0.1", AT, CALL.id)
        reply = errors.refuse(call, [Refusal(code, "in other words", "to")], 1.2)
        content = notification(reply)
        if reply.status == 400 and path.startswith("/v1/sms"):
            assert [list(each) for each in content["errors"]] == [["field", "message", "code"]]
        else:
            assert list(content) == ["trace_id", "errors"]
            assert content["trace_id"] == "9f102b6c1d3e4f50"
        assert all(each["message"] for each in content["errors"])
        assert reply.status in (400, 401, 403, 404, 405, 413, 414, 415, 429, 431, 500, 503)


def test_a_missing_or_malformed_key_is_unauthorized() -> None:
    vault = Vault("a secret of these tests, long enough")
    for headers in ({}, {"x-auth-key": " "}, {"x-auth-key": "a" * 300}, {"x-auth-key": "aky_é"}):
        reply = AUTHENTICATION.find_handle(
            ApiRequest("POST", "/v1/sms", "", headers, b"", "127.0.0.1", AT, CALL.id), vault
        )
        assert isinstance(reply, ApiResponse)
        assert reply.status == 401
        assert reply.body == b'{"trace_id":"9f102b6c1d3e4f50","errors":[{"message":"Unauthorized"}]}'


def test_a_rate_limited_request_gets_retry_after() -> None:
    reply = AUTHENTICATION.refuse(CALL, [Refusal(Code.RATE_KEY, "rate limit exceeded")], 0.3)

    assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
    assert reply.body == b'{"trace_id":"9f102b6c1d3e4f50","errors":[{"message":"Too many requests"}]}'


def test_refusals_of_an_order_name_the_vendors_fields() -> None:
    refusals = [
        Refusal(Code.SENDER_INVALID, "'ACME' is pending, not approved", "sender"),
        Refusal(Code.TEMPLATE_UNKNOWN, "", "template"),
    ]

    assert notification(errors.refuse(CALL, refusals)) == {
        "errors": [
            {"field": "from", "message": "sender name is not registered or not verified", "code": 10006},
            {"field": "template_id", "message": "template not found", "code": 10006},
        ]
    }


# The rest -----------------------------------------------------------------------------------------------------


def test_an_account_has_the_vendors_fields() -> None:
    content = notification(responses.account(KEY, AccountBalance(100_000, datetime(2024, 7, 19, 15, 28, 58, 123, UTC))))

    assert content == {
        "account_uid": content["account_uid"],
        "account_status": "VERIFIED",
        "home_region": "UK",
        "time_zone": "UTC",
        "default_currency": "GBP",
        "account_balance": 1000,
        "created": "2024-07-19T15:28:58Z",
    }
    assert content["account_uid"].startswith("acc_")
    assert len(content["account_uid"]) == 26
    assert notification(responses.account(KEY, AccountBalance(5, AT)))["account_uid"] == content["account_uid"]


def sender(place: int, state: SenderState) -> ShownSenderId:
    return ShownSenderId(UUID(int=place), f"ACME{place}", state, (), {}, None, AT)


def test_senders_are_paginated() -> None:
    found = [sender(place, state) for place, state in enumerate(SenderState)]

    assert notification(responses.senders(found, 2, 2)) == {
        "paging": {"current_page": 2, "total_items": 3, "total_pages": 2},
        "items": [{"id": "ssd_3MPbYr6iviTD1OFQcv6ZLrOJWZ0", "name": "ACME2", "status": "Rejected"}],
    }
    assert [each["status"] for each in notification(responses.senders(found, 1, 25))["items"]] == [
        "Pending",
        "Verified",
        "Rejected",
    ]
    assert notification(responses.senders([], 1, 25))["paging"] == {
        "current_page": 1,
        "total_items": 0,
        "total_pages": 0,
    }


def test_a_scheduled_request_has_the_vendors_fields() -> None:
    found = ShownSchedule(FIRST, Status.CANCELLED, "ACME", "Hello", AT + timedelta(hours=1), AT)

    assert notification(responses.scheduled([found], 1, 25)) == {
        "paging": {"current_page": 1, "total_items": 1, "total_pages": 1},
        "items": [
            {
                "id": "aps_3MPbYr9nx5dyLKQyD8s8oZkcSvh",
                "name": "",
                "type": "API",
                "request_type": "API",
                "status": "DELETED",
                "sender_name": "ACME",
                "message_body": "Hello",
                "scheduled_at": "2026-11-21T11:00:00Z",
                "created_at": "2026-11-21T10:00:00Z",
                "updated_at": "2026-11-21T10:00:00Z",
            }
        ],
    }


def test_every_state_of_a_sender_has_a_name() -> None:
    assert set(responses.SENDERS) == set(SenderState)
