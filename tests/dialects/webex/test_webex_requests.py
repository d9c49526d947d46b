"""Parsing of Webex Interact's requests, and the vendor's text for every error."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dialects.webex import datetimes, errors, requests
from pipeline.dialects.webex.errors import WebexFault
from pipeline.dialects.webex.requests import WebexMessage
from pipeline.rules.identity import ksuids
from schema.api import ApiKey, ApiRequest
from schema.message_class import MessageClass
from schema.order import Order
from schema.vocabulary import AccountState
from tests.dialects.vendors import Vendor

NOW = datetime(2025, 1, 17, 12, tzinfo=UTC)

#: the vendor's sample request, its comment left out
SAMPLE: dict[str, Any] = {
    "message_body": "Hello ${firstname},/nyour ${count} service is due by ${date}. Contact us on ${phone} to schedule"
    " an appointment.",
    "send_at": "2025-01-18T02:20:20Z",
    "valid_until": "2025-01-18T22:22:22Z",
    "from": "WxInteract",
    "to": [
        {
            "correlation_id": "corr_id_1",
            "phone": ["+4474512XXXXX", "+919999999999"],
            "merge_fields": {"count": "first", "date": "15th Jan, 2025"},
        },
        {
            "correlation_id": "corr_id_2",
            "phone": ["+4474532XXXXX"],
            "merge_fields": {"firstname": "Mark", "count": "second", "date": "20th Jan, 2025"},
        },
    ],
    "global_merge_fields": {"firstname": "user", "phone": "+447709873XXX"},
}
PLAIN: dict[str, Any] = {"message_body": "Hello", "from": "ACME", "to": [{"phone": ["+447700900123"]}]}


def read(asked: Any, now: datetime = NOW) -> WebexMessage | list[WebexFault]:
    return requests.read(asked if isinstance(asked, bytes) else json.dumps(asked).encode(), now)


def faults(asked: Any, now: datetime = NOW) -> list[tuple[str, str]]:
    found = read(asked, now)
    assert isinstance(found, list)
    return [(each.field, each.message) for each in found]


def ask(asked: Any, now: datetime = NOW) -> WebexMessage:
    found = read(asked, now)
    assert isinstance(found, WebexMessage), found
    return found


def order(asked: WebexMessage, text: str | None = None) -> Order:
    key = ApiKey(1, 1, "acme", AccountState.ACTIVE, "GBP", Vendor.WEBEX, "h", False, frozenset(), (), {})
    text = asked.text if text is None else text
    assert text is not None
    return requests.order(asked, text, key, NOW)


def test_the_vendors_sample_request_has_three_messages() -> None:
    found = ask(SAMPLE)

    assert found.text == SAMPLE["message_body"]
    assert [(each.to, each.correlation_id) for each in found.recipients] == [
        ("+4474512XXXXX", "corr_id_1"),
        ("+919999999999", "corr_id_1"),
        ("+4474532XXXXX", "corr_id_2"),
    ]
    assert [each.merge.get("firstname") for each in found.recipients] == [None, None, "Mark"]
    assert found.merge == {"firstname": "user", "phone": "+447709873XXX"}
    assert found.send_at == datetime(2025, 1, 18, 2, 20, 20, tzinfo=UTC)
    assert found.valid_until == datetime(2025, 1, 18, 22, 22, 22, tzinfo=UTC)


NEITHER = ("message_body, template_id", "neither message_body nor template_id was provided")
NOBODY = "invalid recipients object format, no phone numbers provided."


#: the vendor's error samples: what is changed of a good request, and the field and message it is answered with
@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"message_body": None}, *NEITHER),
        ({"to": [{"phone": []}]}, "to[0].phone", "invalid recipients object format, no phone numbers provided."),
        ({"send_at": "2025-01-17T11:59:59Z"}, "send_at", "date must be in the future"),
        ({"send_at": "2025-01-24T12:00:01Z"}, "send_at", "date cannot be more than 7 days in the future"),
        ({"valid_until": "2025-01-20T12:00:01Z"}, "valid_until", "date cannot be more than 3 days in the future"),
        (
            {"template_id": "stp_2alB8n4k3BuCjOumRddxXiaA97M"},
            "message_body, template_id",
            "both were provided, only one is allowed.",
        ),
        (
            {"send_at": "2025-01-18T10:00:00Z", "valid_until": "2025-01-18T10:00:00Z"},
            "valid_until",
            "date must be in the future when compared to send_at ",
        ),
    ],
)
def test_errors_match_the_vendors_samples(change: dict[str, Any], field: str, message: str) -> None:
    found = read(PLAIN | change)

    assert isinstance(found, list)
    notification = errors.invalid(found)
    # byte for byte, but for the vendor's blanks between them
    assert notification.body.decode() == f'{{"errors":[{{"field":"{field}","message":"{message}","code":10006}}]}}'
    assert notification.status == 400


@pytest.mark.parametrize(
    ("change", "notification"),
    [
        ({"message_body": ""}, [NEITHER]),
        ({"message_body": "  "}, [("message_body", "message must hold text, and no NUL character.")]),
        ({"message_body": "a\x00b"}, [("message_body", "message must hold text, and no NUL character.")]),
        ({"message_body": "a" * 1601}, [("message_body", "message is longer than 1600 characters.")]),
        ({"message_body": ["Hello"]}, [("message_body", "must be a string")]),
        ({"message_body": False}, [("message_body", "must be a string")]),
        ({"from": None}, [("from", "sender name is required")]),
        ({"from": ""}, [("from", "sender name is required")]),
        ({"to": None}, [("to", "at least one recipients object is required")]),
        ({"to": []}, [("to", "at least one recipients object is required")]),
        ({"to": "+447700900123"}, [("to", "must be an array")]),
        ({"to": [{}]}, [("to[0].phone", NOBODY)]),
        ({"to": ["+447700900123"]}, [("to[0].phone", NOBODY)]),
        ({"to": [{"phone": "+447700900123"}]}, [("to[0].phone", NOBODY)]),
        ({"to": [{"phone": ["+447700900123"]}, {"phone": [None]}]}, [("to[1].phone", NOBODY)]),
        (
            {"to": [{"phone": ["1"], "correlation_id": "a\nb"}]},
            [("to[0].correlation_id", "must not hold control characters")],
        ),
        ({"to": [{"phone": ["1"], "correlation_id": "a" * 256}]}, [("to[0].correlation_id", "is too long")]),
        ({"to": [{"phone": ["1"], "merge_fields": []}]}, [("to[0].merge_fields", "must be an object")]),
        (
            {"to": [{"phone": ["1"], "merge_fields": {"a": None}}]},
            [("to[0].merge_fields", "must hold strings of up to 1600 characters")],
        ),
        (
            {"global_merge_fields": {"a": "b" * 1601}},
            [("global_merge_fields", "must hold strings of up to 1600 characters")],
        ),
        ({"global_merge_fields": [{"a": "b"}]}, [("global_merge_fields", "must be an object")]),
        ({"send_at": "tomorrow"}, [("send_at", datetimes.FORM)]),
        ({"send_at": "2025-01-18"}, [("send_at", datetimes.FORM)]),
        ({"send_at": "2025-02-30T00:00:00Z"}, [("send_at", datetimes.FORM)]),
        ({"send_at": 1737194420}, [("send_at", datetimes.FORM)]),
        ({"send_at": "0001-01-01T00:00:00+14:00"}, [("send_at", datetimes.FORM)]),
        ({"send_at": "2025-01-17T12:00:00Z"}, [("send_at", "date must be in the future")]),
        ({"schedule_at": "2025-01-17T11:00:00Z"}, [("schedule_at", "date must be in the future")]),
        ({"valid_until": "never"}, [("valid_until", datetimes.FORM)]),
        ({"valid_until": "2025-01-17T12:00:00Z"}, [("valid_until", "date must be in the future")]),
        ({"send_at": "tomorrow", "valid_until": "2025-01-22T12:00:00Z"}, [("send_at", datetimes.FORM)]),
        (
            {"send_at": "2025-01-20T00:00:00Z", "valid_until": "2025-01-23T00:00:01Z"},
            [("valid_until", "date cannot be more than 3 days in the future")],
        ),
        ({"to": [{"phone": ["1"] * 10_001}]}, [("to", "a maximum of 10000 phone numbers is allowed per request")]),
        (
            {"to": [{"phone": ["1"] * 5_000}, {"phone": ["1"] * 5_001}]},
            [("to", "a maximum of 10000 phone numbers is allowed per request")],
        ),
        (
            {"to": [{"phone": ["1"]}] * 10_001},
            [("to", "a maximum of 10000 phone numbers is allowed per request")],
        ),
    ],
)
def test_an_invalid_field_is_reported_with_its_name(
    change: dict[str, Any], notification: list[tuple[str, str]]
) -> None:
    assert faults(PLAIN | change) == notification


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "invalid JSON"),
        (b"{", "invalid JSON"),
        (b'"\xff"', "invalid JSON"),
        (b'{"message_body": "\\ud800"}', "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
        (b"[]", "must be an object"),
        (b"null", "must be an object"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(body: bytes, words: str) -> None:
    assert faults(body) == [("body", words)]


def test_all_errors_are_in_one_response() -> None:
    asked = {
        "template_id": "stp_x",
        "message_body": "Hello",
        "to": [{"phone": []}, {"phone": ["+447700900123"], "correlation_id": "\x00"}, {}],
        "send_at": "2025-01-17T11:00:00Z",
        "valid_until": "2025-01-17T10:00:00Z",
    }

    assert faults(asked) == [
        ("to[0].phone", NOBODY),
        ("to[1].correlation_id", "must not hold control characters"),
        ("to[2].phone", NOBODY),
        ("message_body, template_id", "both were provided, only one is allowed."),
        ("from", "sender name is required"),
        ("send_at", "date must be in the future"),
        ("valid_until", "date must be in the future when compared to send_at "),
    ]


def test_a_response_has_at_most_a_hundred_errors() -> None:
    found = read(PLAIN | {"to": [{}] * 5_000})

    assert isinstance(found, list)
    assert len(json.loads(errors.invalid(found).body)["errors"]) == 100


def test_ten_thousand_numbers_are_accepted_including_repeated_ones() -> None:
    found = ask(PLAIN | {"to": [{"phone": ["+447700900123"] * 9_999}, {"phone": ["+447700900124"]}]})

    assert len(found.recipients) == 10_000


def test_unknown_fields_are_ignored() -> None:
    extra = {"skip_optout_check": True, "name": 7, "nonsense": {"a": [None]}}
    found = ask(PLAIN | extra | {"to": [{"phone": ["+447700900123"], "country_code": "GB"}]})

    assert [each.to for each in found.recipients] == ["+447700900123"]


@pytest.mark.parametrize(("said", "skips"), [(True, True), (False, False), (None, False), ("true", False), (1, False)])
def test_skip_optout_check_is_honoured_only_when_it_is_true(said: Any, skips: bool) -> None:
    found = ask(PLAIN | {"skip_optout_check": said})

    assert found.skips_opt_outs is skips
    assert order(found).skip_opt_outs is skips


def test_null_and_empty_fields_are_treated_as_absent() -> None:
    nothing = {"template_id": None, "send_at": None, "schedule_at": "", "valid_until": "", "global_merge_fields": None}
    found = ask(PLAIN | nothing | {"to": [{"phone": ["1"], "merge_fields": None, "correlation_id": ""}]})

    assert (found.send_at, found.valid_until, found.merge) == (None, None, {})
    assert (found.recipients[0].merge, found.recipients[0].correlation_id) == ({}, None)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-01-18T02:20:20Z", datetime(2025, 1, 18, 2, 20, 20, tzinfo=UTC)),
        ("2025-01-18T02:20:20", datetime(2025, 1, 18, 2, 20, 20, tzinfo=UTC)),
        ("2025-01-18T02:20", datetime(2025, 1, 18, 2, 20, tzinfo=UTC)),
        ("2025-01-18T02:20:20.5Z", datetime(2025, 1, 18, 2, 20, 20, 500_000, UTC)),
        ("2025-01-18T02:20:20+01:00", datetime(2025, 1, 18, 1, 20, 20, tzinfo=UTC)),
        ("2025-01-18T02:20:20-0530", datetime(2025, 1, 18, 7, 50, 20, tzinfo=UTC)),
    ],
)
def test_a_date_without_a_zone_is_utc(text: str, at: datetime) -> None:
    assert ask(PLAIN | {"send_at": text}).send_at == at


def test_schedule_at_is_an_alias_of_send_at_which_overrides_it() -> None:
    assert ask(PLAIN | {"schedule_at": "2025-01-18T00:00:00Z"}).send_at == datetime(2025, 1, 18, tzinfo=UTC)
    both = {"schedule_at": "2025-01-18T00:00:00Z", "send_at": "2025-01-19T00:00:00Z"}
    assert ask(PLAIN | both).send_at == datetime(2025, 1, 19, tzinfo=UTC)


def test_the_latest_allowed_send_at_and_valid_until_are_accepted() -> None:
    edge = {
        "send_at": datetimes.write(NOW + timedelta(days=7)),
        "valid_until": datetimes.write(NOW + timedelta(days=10)),
    }

    assert ask(PLAIN | edge).valid_until == NOW + timedelta(days=10)
    assert ask(PLAIN | {"valid_until": datetimes.write(NOW + timedelta(days=3))}).send_at is None


def test_a_template_is_named_by_its_id_or_by_its_slug() -> None:
    id_ = UUID("0b0f2a52-6d66-4f53-9d0a-3e3d0c7a9b11")
    asked = {name: value for name, value in PLAIN.items() if name != "message_body"}

    assert ask(asked | {"template_id": ksuids.spell("stp_", id_, NOW)}).template == str(id_)
    assert ask(asked | {"template_id": "due-service"}).template == "due-service"
    assert ask(asked | {"template_id": "stp_nonsense"}).text is None


def test_json_numbers_are_accepted_as_phone_numbers_and_merge_values() -> None:
    found = ask(PLAIN | {"to": [{"phone": [447700900123], "merge_fields": {"count": 2, "price": 1.5}}]})

    assert (found.recipients[0].to, found.recipients[0].merge) == ("447700900123", {"count": "2", "price": "1.5"})


# Orders -------------------------------------------------------------------------------------------------------


def test_unfilled_merge_fields_are_left_in_place() -> None:
    found = order(ask(PLAIN | {"message_body": "Hi ${firstname}, ${x} ${}", "global_merge_fields": {"firstname": "u"}}))

    assert found.merge == {"firstname": "u", "x": "${x}"}
    assert found.body == "Hi ${firstname}, ${x} ${}"


def test_an_order_has_account_sender_operation_and_time() -> None:
    found = order(ask(SAMPLE))

    assert (found.account, found.sender, found.door, found.submitted_at) == ("acme", "WxInteract", "webex.sms", NOW)
    assert (found.idempotency_key, found.test) == (None, False)


def test_an_order_to_more_than_a_hundred_numbers_has_the_bulk_class() -> None:
    some, many = (ask(PLAIN | {"to": [{"phone": ["+447700900123"] * count}]}) for count in (100, 101))

    assert order(some).message_class is MessageClass.TRANSACTIONAL
    assert order(many).message_class is MessageClass.BULK


def test_an_order_is_valid_by_its_schema() -> None:
    found = order(ask(SAMPLE))

    assert Order.model_validate(found.model_dump()) == found


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
TO = st.lists(st.fixed_dictionaries({}, optional={"phone": JSON, "merge_fields": JSON, "correlation_id": JSON}) | JSON)


@given(
    st.fixed_dictionaries(
        {},
        optional={"to": TO | JSON}
        | dict.fromkeys(["message_body", "template_id", "from", "send_at", "valid_until", "global_merge_fields"], JSON),
    )
)
def test_any_json_is_parsed_or_refused(asked: dict[str, Any]) -> None:
    found = read(asked)

    if isinstance(found, list):
        assert json.loads(errors.invalid(found).body)["errors"]
    else:
        assert order(found, "Hello").recipients


@pytest.mark.parametrize(
    ("media", "is_json"),
    [
        ("", True),
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/vnd.acme+json", True),
        ("application/x-www-form-urlencoded", False),
        ("text/plain", False),
    ],
)
def test_json_is_recognised_by_its_media_type(media: str, is_json: bool) -> None:
    call = ApiRequest("POST", "/v1/sms", "", {"content-type": media}, b"{}", "127.0.0.1")

    assert requests.is_json(call) is is_json
