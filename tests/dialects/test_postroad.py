"""Postroad's own dialect without a server: problem details, requests, query strings, and signed webhooks."""

import json
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import jsonschema_rs
import pytest

from pipeline.dialects.postroad import errors, requests, resources, webhooks
from pipeline.dialects.postroad.openapi import document
from pipeline.rules.money import currencies
from schema.api import ApiKey, ApiRequest, InboundEvent
from schema.message import Refusal
from schema.message_class import MessageClass
from schema.order import Order
from schema.vocabulary import AccountState, Code, InboundAction, Status
from tests.dialects.standard_webhooks import VerificationError, verify
from tests.dialects.vendors import Vendor
from tests.dialects.webhook_payloads import AT, payload

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
SEND = {"sender": "ACME", "body": "Hello ${name}", "recipients": [{"to": "0803 123 4567", "merge": {"name": "Ada"}}]}
SECRET, OLD = ("whsec_" + b64encode(letter * 33).decode() for letter in (b"n", b"o"))


def key(*, test: bool = False) -> ApiKey:
    return ApiKey(1, 1, "acme", AccountState.ACTIVE, "NGN", Vendor.POSTROAD, "h", test, frozenset(), (), {})


def call(body: Any = None, query: str = "", **headers: str) -> ApiRequest:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): word for name, word in headers.items()}
    return ApiRequest("POST", "/v1/messages", query, named, sent, "127.0.0.1", id=UUID(int=7))


# Errors -----------------------------------------------------------------------------------------------------------


def test_a_refusal_is_a_problem_with_all_faults_and_the_first_one_s_status() -> None:
    refusals = [
        Refusal(Code.PHONE_INVALID, "no country has this calling code", "recipients[0].to", 0),
        Refusal(Code.OPTED_OUT, "", "recipients[1].to", 1),
    ]

    answer = errors.refuse(call(), refusals)

    assert (answer.status, answer.headers) == (422, {"Content-Type": "application/problem+json"})
    assert json.loads(answer.body) == {
        "type": "urn:postroad:problem:phone_invalid",
        "title": "Not a phone number",
        "status": 422,
        "detail": "no country has this calling code",
        "instance": "urn:uuid:00000000-0000-0000-0000-000000000007",
        "code": "phone_invalid",
        "errors": [
            {"code": "phone_invalid", "detail": "no country has this calling code", "field": "recipients[0].to"},
            {"code": "opted_out", "detail": "The recipient opted out", "field": "recipients[1].to"},
        ],
    }


def test_the_headers_of_a_refusal_say_how_to_go_on() -> None:
    assert errors.refuse(call(), [Refusal(Code.RATE_KEY, "")], 1.2).headers["Retry-After"] == "2"
    assert errors.refuse(call(), [Refusal(Code.UNAUTHENTICATED, "")]).headers["WWW-Authenticate"].startswith("Bearer")


def test_a_response_lists_a_limited_number_of_faults() -> None:
    answer = errors.refuse(call(), [Refusal(Code.PHONE_INVALID, "", f"recipients[{n}].to", n) for n in range(10_000)])

    assert len(json.loads(answer.body)["errors"]) == 100


# Requests ---------------------------------------------------------------------------------------------------------


def test_a_request_becomes_an_order_of_the_key_s_account() -> None:
    asked = SEND | {"country": "NG", "class": "bulk", "send_at": "2026-11-21T12:00:00+01:00"}

    order = requests.read_order(call(asked), key(), "k", NOW)

    assert isinstance(order, Order)
    assert (order.account, order.door, order.idempotency_key) == ("acme", "postroad.send", "k")
    assert (order.message_class, order.test, order.country) == (MessageClass.BULK, False, "NG")
    assert (order.send_at, order.submitted_at) == (NOW + timedelta(hours=1), NOW)
    assert order.recipients[0].merge == {"name": "Ada"}


@pytest.mark.parametrize("asked", [SEND, SEND | {"test": False}, SEND | {"test": True}])
def test_what_a_test_key_sends_is_a_test(asked: dict[str, Any]) -> None:
    order = requests.read_order(call(asked), key(test=True), None, NOW)

    assert isinstance(order, Order)
    assert (order.test, order.door) == (True, "postroad.test.send")


def test_unknown_fields_and_all_other_faults_are_named() -> None:
    asked = SEND | {"account": "bolt", "door": "reply", "colour": 1, "test": "yes", "class": "urgent"}
    asked["recipients"] = [{"to": "+2348012345678", "nmae": "Ada"}, {"correlation_id": ""}]

    refusals = requests.read_order(call(asked), key(), None, NOW)

    assert isinstance(refusals, list)
    assert {each.field for each in refusals} == {
        *("account", "door", "colour", "test", "class"),
        *("recipients[0].nmae", "recipients[1].to", "recipients[1].correlation_id"),
    }
    assert {each.code for each in refusals} == {Code.INVALID_FIELD, Code.MISSING_FIELD}


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"{", "application/json", Code.BAD_JSON),
        (b'{"a": NaN}', "application/json", Code.BAD_JSON),
        (b'{"a": "\\ud800"}', "application/json", Code.BAD_JSON),
        (b"[]", "application/json", Code.INVALID_FIELD),
        (b"{}", "text/plain", Code.MEDIA_UNKNOWN),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(body: bytes, kind: str, code: Code) -> None:
    asked = call(body, content_type=kind)

    for read in (
        lambda: requests.read_order(asked, key(), None, NOW),
        lambda: resources.read_template(asked),
        lambda: resources.read_webhook_change(asked),
    ):
        refusals = read()
        assert isinstance(refusals, list)
        assert [each.code for each in refusals] == [code]


@pytest.mark.parametrize(
    ("word", "read"),
    [(None, None), ("k-1", "k-1"), ('"k-1"', "k-1"), ('"', '"'), ("x" * 255, "x" * 255)],
)
def test_the_quotes_around_an_idempotency_key_are_optional(word: str | None, read: str | None) -> None:
    assert requests.read_key(call() if word is None else call(idempotency_key=word)) == read


@pytest.mark.parametrize("word", ["", '""', "x" * 256, "a\tb"])
def test_an_invalid_idempotency_key_is_refused(word: str) -> None:
    found = requests.read_key(call(idempotency_key=word))

    assert isinstance(found, Refusal)
    assert found.field == "Idempotency-Key"


def test_the_parameters_of_a_list_are_read() -> None:
    query = (
        f"limit=7&cursor=ab&status=failed&sender=ACME&request={UUID(int=5)}&since=2026-11-21T11:00:00+01:00&test=true"
    )

    found = requests.read_search(call(query=query))

    assert isinstance(found, requests.MessageSearch)
    assert found.paging == requests.Paging(7, "ab", NOW, None)
    assert (found.status, found.sender, found.request, found.test) == (Status.FAILED, "ACME", UUID(int=5), True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=٣", "limit"),
        ("stauts=failed", "stauts"),
        ("status=lost", "status"),
        ("request=7", "request"),
        ("sender=a%00", "sender"),
        ("since=2026-11-21", "since"),
        ("until=2026-11-21T10:00:00", "until"),
        ("since=0001-01-01T00:00:00%2B23:59", "since"),
        ("test=1", "test"),
        ("a=%ff", None),
    ],
)
def test_an_invalid_parameter_is_refused_by_its_name(query: str, field: str | None) -> None:
    found = requests.read_search(call(query=query))

    assert isinstance(found, list)
    assert [each.field for each in found] == [field]


def test_amounts_have_the_decimals_of_their_currency() -> None:
    assert [currencies.decimal(*each) for each in [(123456, "NGN"), (5, "EUR"), (-7, "EUR"), (12, "JPY")]] == [
        *("1234.56", "0.05", "-0.07", "12"),
    ]


# Webhooks ---------------------------------------------------------------------------------------------------------


def test_a_webhook_is_verified_by_the_algorithm_of_standard_webhooks() -> None:
    made = webhooks.compose(
        payload(body="Ça va? 🚕", error_code=Code.UNDELIVERED, status=Status.FAILED), [SECRET.encode()], AT
    )

    assert made is not None
    content = verify(SECRET, made.body, made.headers, AT)
    assert (content["type"], content["timestamp"]) == ("message.failed", "2026-11-21T10:00:05.250Z")
    assert (content["data"]["error_code"], content["data"]["cost"]) == (
        "undelivered",
        {"amount": "4.00", "currency": "NGN"},
    )
    assert "body" not in content["data"]
    assert made.headers["webhook-id"] == str(UUID(int=2))
    schemas = document()["components"]
    validator = jsonschema_rs.validator_for({"$ref": "#/components/schemas/MessageEvent", "components": schemas})
    assert list(validator.iter_errors(content)) == []
    for changed in (
        {"body": made.body + b" "},
        {"webhook-id": "x"},
        {"webhook-timestamp": str(int(AT.timestamp()) + 1)},
    ):
        body = changed.get("body", made.body)
        assert isinstance(body, bytes)
        headers = {**made.headers, **{name: str(word) for name, word in changed.items() if name != "body"}}
        with pytest.raises(VerificationError, match="no matching signature"):
            verify(SECRET, body, headers, AT)


def test_both_secrets_verify_a_webhook_after_a_rotation() -> None:
    made = webhooks.compose(payload(), [SECRET.encode(), OLD.encode()], AT)

    assert made is not None
    for secret in (SECRET, OLD):
        assert verify(secret, made.body, made.headers, AT)["data"]["status"] == "delivered"
    with pytest.raises(VerificationError, match="too old"):
        verify(SECRET, made.body, made.headers, AT + timedelta(minutes=6))


def test_an_event_without_a_subscription_or_a_name_makes_no_call() -> None:
    assert webhooks.compose(payload(listens_to=frozenset({"message.failed"})), [SECRET.encode()], AT) is None
    assert webhooks.compose(payload(status=Status.SCHEDULED), [SECRET.encode()], AT) is None
    assert webhooks.compose(payload(listens_to=frozenset({"message.delivered"})), [SECRET.encode()], AT) is not None


def test_an_inbound_message_is_reported_by_its_id() -> None:
    event = InboundEvent(
        delivery=UUID(int=1),
        event=UUID(int=9),
        endpoint=UUID(int=3),
        dialect=Vendor.POSTROAD,
        listens_to=frozenset(),
        attempt=1,
        phone="+2348012345678",
        sender="8080",
        body="STOP",
        action=InboundAction.STOP,
        carrier="alpha",
        at=None,
        received_at=AT,
        answered=UUID(int=7),
    )

    made = webhooks.compose_inbound(event, [SECRET.encode()], AT)

    assert made is not None
    content = verify(SECRET, made.body, made.headers, AT)
    assert (content["type"], content["data"]["body"], content["data"]["action"]) == ("message.inbound", "STOP", "stop")
    assert made.headers["webhook-id"] == content["data"]["id"] == str(UUID(int=9))
    assert content["data"]["campaign_id"] == str(UUID(int=7))
    schemas = document()["components"]
    validator = jsonschema_rs.validator_for({"$ref": "#/components/schemas/InboundEvent", "components": schemas})
    assert list(validator.iter_errors(content)) == []
    only_sent = replace(event, listens_to=frozenset({"message.sent"}))
    assert webhooks.compose_inbound(only_sent, [SECRET.encode()], AT) is None
