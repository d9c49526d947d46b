"""Webex Interact's API over HTTP: sending, dry runs, authentication, and the format of every refusal."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from pipeline.rules.identity import ksuids
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.carriers import set_carrier_state
from pipeline.stages.admin.sender_registration import set_sender
from pipeline.stages.api import templates
from schema.vocabulary import CarrierState, SenderState, Syntax
from tests.api.conftest import Answer, RunningGateway
from tests.dialects.vendors import Vendor
from tests.world import World

Ask = Callable[..., Answer]
#: sends a message with these fields; returns the JSON that was answered
Send = Callable[..., Any]

PLAIN = {"message_body": "Hello", "from": "ACME", "to": [{"phone": ["+447700900123"]}]}
BAD = {"to": "+4477416325434477416325434", "status": "error", "code": 1002,
       "message": "Invalid phone number or unsupported region."}  # fmt: skip


@pytest.fixture
def token(running_gateway: RunningGateway) -> str:
    """A key that may call as often as it likes."""
    return str(running_gateway.key(Vendor.WEBEX, settings={"rate": 1000})["access_token"])


@pytest.fixture
def ask(running_gateway: RunningGateway, token: str) -> Ask:
    """Call an operation with the key, unless another is given."""

    def call(method: str, path: str, body: Any = None, key: str | None = None, **headers: str) -> Answer:
        return running_gateway.ask(method, f"/webex{path}", body, {"X-AUTH-KEY": key or token} | headers)

    return call


@pytest.fixture
def send(ask: Ask) -> Send:
    """Send a plain message, with these fields changed; return what was answered."""

    def call(path: str = "/v1/sms", **fields: Any) -> Any:
        answer = ask("POST", path, {name: value for name, value in (PLAIN | fields).items() if value is not None})
        assert answer.status == 200, answer.body
        return answer.json

    return call


def soon(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).strftime("%Y-%m-%dT%H:%M:%SZ")


def message(transaction: str) -> UUID:
    found = ksuids.read("tid_", transaction)
    assert found
    return found


def bodies(world: World) -> list[str]:
    return [str(each) for each in world.rows("SELECT body FROM messages ORDER BY id")]


# Sending ------------------------------------------------------------------------------------------------------


def test_a_number_whose_carriers_are_drained_is_accepted(world: World, send: Send) -> None:
    set_carrier_state(world.rt, "alpha", CarrierState.DRAINED)

    answer = send()

    assert (answer["errors"], answer["messages"][0]["status"]) == ([], "queued")
    assert world.rows("SELECT status, money FROM messages") == [(None, "held")]


def test_the_vendors_sample_request_creates_three_messages(world: World, send: Send) -> None:
    set_sender(world.rt, "acme", "WxInteract", SenderState.APPROVED)
    answer = send(
        message_body="Hello ${firstname},/nyour ${count} service is due by ${date}. Contact us on ${phone} to schedule"
        " an appointment.",
        send_at=soon(days=1),
        valid_until=soon(days=1, hours=20),
        **{"from": "WxInteract"},
        to=[
            {
                "correlation_id": "corr_id_1",
                "phone": ["+447451200000", "+919999999999"],
                "merge_fields": {"count": "first", "date": "15th Jan, 2025"},
            },
            {
                "correlation_id": "corr_id_2",
                "phone": ["+447453200000"],
                "merge_fields": {"firstname": "Mark", "count": "second", "date": "20th Jan, 2025"},
            },
        ],
        global_merge_fields={"firstname": "user", "phone": "+447709873000"},
    )

    assert list(answer) == ["request_id", "messages", "errors"]
    assert [{name: each[name] for name in ("to", "status", "code")} for each in answer["messages"]] == [
        {"to": "+447451200000", "status": "queued", "code": 1001},
        {"to": "+919999999999", "status": "queued", "code": 1001},
        {"to": "+447453200000", "status": "queued", "code": 1001},
    ]
    assert answer["errors"] == []
    rows = world.rows("SELECT id, phone, body, correlation_id, request_id, sender FROM messages ORDER BY id")
    assert [row[0] for row in rows] == [message(each["transaction_id"]) for each in answer["messages"]]
    assert {row[4] for row in rows} == {ksuids.read("aps_", answer["request_id"])}
    assert [row[3] for row in rows] == ["corr_id_1", "corr_id_1", "corr_id_2"]
    assert rows[0][2] == (
        "Hello user,/nyour first service is due by 15th Jan, 2025. Contact us on +447709873000 to schedule an"
        " appointment."
    )
    assert rows[2][2].startswith("Hello Mark,/nyour second service is due by 20th Jan, 2025.")
    assert {row[5] for row in rows} == {"WxInteract"}
    assert world.rows("SELECT DISTINCT status FROM batches") == ["scheduled"]


def test_an_invalid_number_is_reported_and_the_valid_ones_are_accepted(world: World, send: Send) -> None:
    answer = send(to=[{"phone": ["+447700900123", BAD["to"]]}, {"phone": ["+447700900124"]}])

    assert [each["to"] for each in answer["messages"]] == ["+447700900123", "+447700900124"]
    assert answer["errors"] == [BAD]
    assert world.rows("SELECT phone FROM messages ORDER BY id") == ["+447700900123", "+447700900124"]


def test_a_request_with_invalid_numbers_only_is_answered_200_with_errors(world: World, send: Send) -> None:
    answer = send(to=[{"phone": [BAD["to"]]}])

    assert (answer["messages"], answer["errors"]) == ([], [BAD])
    assert bodies(world) == []


def test_a_number_without_a_route_is_reported_as_an_unsupported_region(world: World, send: Send) -> None:
    world.run("UPDATE routes SET destination = 'NG'")

    answer = send(to=[{"phone": ["+447700900123", "+2348012345678"]}])

    assert [each["to"] for each in answer["messages"]] == ["+2348012345678"]
    assert answer["errors"] == [BAD | {"to": "+447700900123"}]


def test_a_number_that_the_wallet_does_not_cover_is_reported_as_insufficient_credit(world: World, send: Send) -> None:
    world.run("UPDATE wallets SET balance = 500")

    answer = send(to=[{"phone": ["+447700900123", "+447700900124"]}])

    assert [each["code"] for each in answer["messages"]] == [1001]
    assert [(each["status"], each["code"], each["message"]) for each in answer["errors"]] == [
        ("error", 1007, "Insufficient credit.")
    ]
    assert send()["messages"] == []


def test_a_long_ucs2_text_is_billed_by_63_and_sent_by_67_characters_a_part(world: World, send: Send) -> None:
    world.run("UPDATE wallets SET balance = 400 * 9")
    to = [{"phone": ["+447700900123", "+447700900124", "+447700900125", "+447700900126"]}]

    dry, wet = (send(path, message_body="я" * 130, to=to) for path in ("/v1/sms/test", "/v1/sms"))

    assert [each["code"] for each in dry["errors"]] == [each["code"] for each in wet["errors"]] == [1007]
    charged = "SELECT segments, amount FROM messages WHERE status IS NULL"
    assert world.rows(charged) == [(2, 1200)] * 3
    assert world.balance() == 0


def test_merge_fields_are_replaced_once_and_unfilled_ones_left_in_place(world: World, send: Send) -> None:
    send(
        message_body="${a} ${b} ${nobody} ${}",
        to=[{"phone": ["+447700900123"], "merge_fields": {"b": "own ${a}"}}, {"phone": ["+447700900124"]}],
        global_merge_fields={"a": "shared ${b}", "b": "shared"},
    )

    assert bodies(world) == ["shared ${b} own ${a} ${nobody} ${}", "shared ${b} shared ${nobody} ${}"]


def test_a_text_too_long_or_empty_after_merging_fails_only_its_number(world: World, send: Send) -> None:
    fields = [{"x": "a" * 1600}, {"x": "b"}, {"x": ""}]
    to = [{"phone": [f"+44770090012{place}"], "merge_fields": each} for place, each in enumerate(fields)]

    answer = send(message_body="${x}${x}", to=to)

    assert [each["to"] for each in answer["messages"]] == ["+447700900121"]
    assert [(each["to"], each["code"], each["message"]) for each in answer["errors"]] == [
        ("+447700900120", 10006, "message is longer than 1600 characters."),
        ("+447700900122", 10006, "message is empty once its merge fields are filled."),
    ]


@pytest.mark.parametrize("spelled", ["id", "slug", "uuid"])
def test_a_template_is_found_by_its_id_and_by_its_slug(world: World, send: Send, spelled: str) -> None:
    text = templates.create(world.rt, world.account, "due", "Due", "Hi ${name}, ${x}", Syntax.MERGE)
    assert text
    words = {"id": ksuids.spell("stp_", text.id, text.created_at), "slug": "due", "uuid": str(text.id)}

    send(message_body=None, template_id=words[spelled], global_merge_fields={"name": "Ann"})

    assert bodies(world) == ["Hi Ann, ${x}"]


def test_a_template_of_another_syntax_or_account_is_not_found(world: World, ask: Ask) -> None:
    create_account(world.rt, "other", "GBP")
    [other] = world.rows("SELECT id FROM accounts WHERE name = 'other'")
    templates.create(world.rt, world.account, "go", "Go", "Hi {{.name}}", Syntax.GO)
    templates.create(world.rt, other, "theirs", "Theirs", "Hi", Syntax.MERGE)

    for word in ("go", "theirs", "stp_2alB8n4k3BuCjOumRddxXiaA97M", "\x00"):
        answer = ask("POST", "/v1/sms", {"template_id": word, "from": "ACME", "to": PLAIN["to"]})
        assert (answer.status, answer.json) == (
            400,
            {"errors": [{"field": "template_id", "message": "template not found", "code": 10006}]},
        )


@pytest.mark.parametrize("path", ["/v1/sms", "/v1/sms/", "/v1/sms/test", "/v1/sms/test/"])
def test_a_trailing_slash_in_the_path_is_accepted(send: Send, path: str) -> None:
    assert len(send(path)["messages"]) == 1


def test_a_request_with_more_than_ten_thousand_numbers_is_refused(world: World, ask: Ask) -> None:
    world.run("UPDATE wallets SET balance = 100000000")
    numbers = [f"+4477009{place:05}" for place in range(10_001)]

    taken = ask("POST", "/v1/sms", PLAIN | {"to": [{"phone": [each]} for each in numbers[:10_000]]})
    refused = ask("POST", "/v1/sms", PLAIN | {"to": [{"phone": numbers}]})

    assert taken.status == 200
    assert [each["to"] for each in taken.json["messages"]] == numbers[:10_000]
    assert len({each["transaction_id"] for each in taken.json["messages"]}) == 10_000
    assert world.rows("SELECT count(*) FROM messages") == [10_000]
    assert (refused.status, refused.json) == (
        400,
        {"errors": [{"field": "to", "message": "a maximum of 10000 phone numbers is allowed per request",
                     "code": 10006}]},
    )  # fmt: skip


def test_repeated_numbers_and_requests_create_further_messages(world: World, send: Send) -> None:
    first, second = send(to=[{"phone": ["+447700900123"], "correlation_id": "c"}] * 2), send()

    assert len(first["messages"]) == 2
    assert first["request_id"] != second["request_id"]
    assert world.rows("SELECT count(*) FROM messages") == [3]


def test_messages_of_a_test_key_are_free(world: World, running_gateway: RunningGateway, ask: Ask) -> None:
    trial = running_gateway.key(Vendor.WEBEX, test=True)["access_token"]
    before = world.balance()

    assert len(ask("POST", "/v1/sms", PLAIN, trial).json["messages"]) == 1

    assert world.balance() == before
    assert world.rows("SELECT test FROM batches") == [True]


@pytest.mark.parametrize(
    ("change", "reported"),
    [
        ({"from": "NOBODY"}, [("from", "sender name is not registered or not verified")]),
        ({"from": "far too long for a sender's name"}, [("from", "sender name is not registered or not verified")]),
        ({"to": [{}], "from": ""},
         [("to[0].phone", "invalid recipients object format, no phone numbers provided."),
          ("from", "sender name is required")]),
        ({"send_at": "2025-01-18T02:20:20Z", "valid_until": "2025-01-18T02:20:20Z"},
         [("send_at", "date must be in the future"),
          ("valid_until", "date must be in the future when compared to send_at ")]),
    ],
)  # fmt: skip
def test_all_errors_of_a_request_are_reported_together(
    world: World, ask: Ask, change: dict[str, Any], reported: list[tuple[str, str]]
) -> None:
    for path in ("/v1/sms", "/v1/sms/test"):
        answer = ask("POST", path, PLAIN | change)
        assert (answer.status, answer.json) == (
            400,
            {"errors": [{"field": field, "message": words, "code": 10006} for field, words in reported]},
        )
    assert bodies(world) == []


# The dry run --------------------------------------------------------------------------------------------------


def test_a_dry_run_gets_the_response_of_a_send_and_writes_nothing(world: World, send: Send) -> None:
    fields = {"to": [{"phone": ["+447700900123", BAD["to"], "+447700900124"]}], "send_at": soon(hours=1)}
    dry, wet = send("/v1/sms/test", **fields), send(**fields)

    def reported(answer: Any) -> Any:
        return [(each["to"], each["status"], each["code"]) for each in answer["messages"]], answer["errors"]

    assert reported(dry) == reported(wet)
    for table in ("requests", "batches"):
        assert world.rows(f"SELECT count(*) FROM {table}") == [1]
    assert world.rows("SELECT count(*) FROM messages") == [2]
    assert world.balance() == 1_000_000 - 2 * 400


def test_a_dry_run_reports_insufficient_credit_and_missing_prices(world: World, send: Send) -> None:
    world.run("UPDATE wallets SET balance = 500")
    to = [{"phone": ["+447700900123", "+447700900124"]}]

    assert [each["code"] for each in send("/v1/sms/test", to=to)["errors"]] == [1007]
    world.run("DELETE FROM prices")
    assert [each["code"] for each in send("/v1/sms/test", to=to)["errors"]] == [1002, 1002]
    assert world.balance() == 500


# Who may, and what is no call at all --------------------------------------------------------------------------


def test_a_missing_or_unknown_api_key_is_refused_with_401(world: World, running_gateway: RunningGateway) -> None:
    for headers in ({}, {"X-AUTH-KEY": "aky_" + "x" * 27}, {"X-AUTH-KEY": "aky_\xe9"}, {"Authorization": "Bearer x"}):
        answer = running_gateway.ask("POST", "/webex/v1/sms", PLAIN, headers)
        assert (answer.status, answer.json["errors"]) == (401, [{"message": "Unauthorized"}])
        assert len(answer.json["trace_id"]) == 16
    assert bodies(world) == []


def test_requests_beyond_the_rate_limit_are_refused_with_429_and_retry_after(
    running_gateway: RunningGateway, ask: Ask
) -> None:
    key = running_gateway.key(Vendor.WEBEX, settings={"rate": 0.1, "burst": 10})["access_token"]

    answers = [ask("GET", "/identity/v1/account", key=key) for _ in range(11)]

    assert [each.status for each in answers] == [200] * 10 + [429]
    assert answers[-1].json["errors"] == [{"message": "Too many requests"}]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_a_key_is_limited_to_its_scopes(running_gateway: RunningGateway, ask: Ask) -> None:
    key = running_gateway.key(Vendor.WEBEX, scopes=["sending"])["access_token"]

    assert ask("POST", "/v1/sms/test", PLAIN, key).status == 200
    assert ask("GET", "/assets/v1/senders", key=key).status == 403


@pytest.mark.parametrize(
    ("method", "path", "body", "media", "status"),
    [
        ("GET", "/v1/nonsense", None, "", 404),
        ("GET", "/v1/sms", None, "", 405),
        ("PUT", "/identity/v1/account", None, "", 405),
        ("POST", "/v1/sms", json.dumps(PLAIN), "text/plain", 415),
        ("POST", "/campaigns/v1/scheduled", "{}", "application/x-www-form-urlencoded", 415),
        ("POST", "/v1/sms", b" " * (8 * 1024 * 1024 + 1), "application/json", 413),
    ],
)
def test_unknown_paths_methods_and_media_types_are_refused_in_the_vendors_format(
    ask: Ask, method: str, path: str, body: Any, media: str, status: int
) -> None:
    answer = ask(method, path, body, **({"Content-Type": media} if media else {}))

    assert answer.status == status
    assert list(answer.json) == ["trace_id", "errors"]
    assert answer.json["errors"][0]["message"]


def test_invalid_json_is_refused_with_400(ask: Ask) -> None:
    answer = ask("POST", "/v1/sms", "{", **{"Content-Type": "application/json"})

    assert answer.status == 400
    assert answer.json == {"errors": [{"field": "body", "message": "invalid JSON", "code": 10006}]}
