"""Robase's API over HTTP: send, replay, batch, read, list and cancel messages, and the format of every refusal."""

import json
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.stages.admin import compliance
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.prices import set_price
from pipeline.stages.admin.sender_registration import set_sender
from pipeline.stages.admin.wallets import grant, top_up
from pipeline.stages.deliver import deliver
from pipeline.stages.promote import promote
from schema.vocabulary import SenderState
from tests.api.conftest import Answer, RunningGateway
from tests.dialects.vendors import Vendor, issue
from tests.world import World

Ask = Callable[..., Answer]

RIDE = {"to": "+2348012345678", "from": "ACME", "body": "Your ride arrives at 9."}


@pytest.fixture
def token(running_gateway: RunningGateway) -> str:
    """A live key that may call as often as it likes."""
    return str(running_gateway.key(Vendor.ROBASE, settings={"rate": 1000})["api_key"])


@pytest.fixture
def trial(running_gateway: RunningGateway) -> str:
    """A test key, likewise."""
    return str(running_gateway.key(Vendor.ROBASE, test=True, settings={"rate": 1000})["api_key"])


@pytest.fixture
def ask(running_gateway: RunningGateway, token: str) -> Ask:
    """Call an operation with the live key, unless another is given."""

    def call(
        method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, key: str | None = None
    ) -> Answer:
        reported = {"Authorization": f"Bearer {key or token}"} | dict(headers or {})
        return running_gateway.ask(method, f"/robase/v1{path}", body, reported)

    return call


def soon(**ahead: float) -> str:
    return (datetime.now(UTC) + timedelta(**ahead)).isoformat()


def carry_all(world: World) -> None:
    """Do what the workers would."""
    promote(world.rt)
    batches = world.rows("SELECT id FROM batches WHERE status = 'queued'")
    while batches:
        batches = [hint.batch for hint in deliver(world.rt, batches)]


# One message ----------------------------------------------------------------------------------------------------


def test_a_message_is_accepted_and_priced_with_the_vendors_response_fields(ask: Ask, world: World) -> None:
    answer = ask("POST", "/sms", RIDE)

    assert answer.status == 202
    assert answer.headers["content-type"] == "application/json"
    assert "idempotent-replay" not in answer.headers
    reported = answer.json
    assert UUID(reported.pop("id")).version == 7
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", reported.pop("created_at"))
    assert reported == {
        "status": "queued",
        "to": "+2348012345678",
        "from": "ACME",
        "body": "Your ride arrives at 9.",
        "segments": 1,
        "encoding": "GSM7",
        "country": "NG",
        "cost": {"amount_kobo": 400, "currency": "NGN"},
        "provider": "alpha",
        "test_mode": False,
    }
    assert list(answer.json) == [
        *("id", "status", "to", "from", "body", "segments", "encoding", "country", "cost", "provider", "test_mode"),
        "created_at",
    ]
    assert world.balance() == 1_000_000 - 400


def test_the_cost_includes_all_segments(ask: Ask) -> None:
    long, emoji = ask("POST", "/sms", RIDE | {"body": "x" * 161}), ask("POST", "/sms", RIDE | {"body": "🚕" * 36})

    assert (long.json["segments"], long.json["encoding"], long.json["cost"]["amount_kobo"]) == (2, "GSM7", 800)
    assert (emoji.json["segments"], emoji.json["encoding"], emoji.json["cost"]["amount_kobo"]) == (2, "UCS2", 800)


@pytest.mark.parametrize("body", ["${name} ${", "{{.name}}", "$$CODE$$ %s {0.__class__}", "a\nb"])
def test_a_text_that_looks_like_a_template_is_not_expanded(ask: Ask, world: World, body: str) -> None:
    reported = ask("POST", "/sms", RIDE | {"body": body}).json

    assert reported["body"] == body
    assert world.rows("SELECT body FROM messages WHERE id = %(id)s", id=UUID(reported["id"])) == [body]


def test_a_future_send_at_schedules_a_message_and_a_past_one_queues_it(ask: Ask) -> None:
    later, past = (ask("POST", "/sms", RIDE | {"send_at": at}) for at in (soon(hours=1), "2020-01-01T00:00:00Z"))

    assert (later.status, later.json["status"]) == (202, "scheduled")
    assert (past.status, past.json["status"]) == (202, "queued")


def test_unknown_fields_and_null_values_are_ignored(ask: Ask) -> None:
    answer = ask("POST", "/sms", RIDE | {"colour": "red", "template": None, "send_at": None, "country": None})

    assert answer.status == 202


def test_a_country_that_differs_from_that_of_the_number_is_refused(ask: Ask, world: World) -> None:
    set_price(world.rt, "GH", "NGN", 15, None)
    compliance.allow(world.rt, "acme", ["GH"])

    said = ask("POST", "/sms", RIDE | {"to": "+233201234567", "country": "GH"})
    lied = ask("POST", "/sms", RIDE | {"country": "GH"})
    rows = ask("POST", "/sms/batch", {"from": "ACME", "country": "GH", "messages": [{"to": RIDE["to"], "body": "x"}]})

    assert (said.json["country"], said.json["cost"]["amount_kobo"]) == ("GH", 15)
    reported = {"type": "validation_error", "message": "country GH is not that of the number, NG", "field": "country"}
    assert (lied.status, lied.json["error"]) == (400, reported)
    assert rows.json["data"][0]["error"] == reported
    assert world.rows("SELECT country FROM messages") == ["GH"]


@pytest.mark.parametrize(
    ("number", "country"),
    [("+2348012345678", "NG"), ("+233201234567", "GH"), ("+254712345678", "KE"), ("+2250701234567", "CI")],
)
def test_the_country_is_derived_from_the_dial_code(ask: Ask, number: str, country: str) -> None:
    assert ask("POST", "/sms", RIDE | {"to": number}).json["country"] == country


REFUSED: dict[str, tuple[Any, int, dict[str, str]]] = {
    "no recipient": (
        {"from": "ACME", "body": "x"},
        400,
        {"type": "validation_error", "message": "recipient required", "field": "to"},
    ),
    "an empty recipient": (
        RIDE | {"to": ""},
        400,
        {"type": "validation_error", "message": "recipient required", "field": "to"},
    ),
    "no sender": (
        {"to": "+2348012345678", "body": "x"},
        400,
        {"type": "validation_error", "message": "sender required", "field": "from"},
    ),
    "no text": (
        {"to": "+2348012345678", "from": "ACME"},
        400,
        {"type": "validation_error", "message": "body or template required", "field": "body"},
    ),
    "a blank text": (
        RIDE | {"body": "  "},
        400,
        {"type": "validation_error", "message": "body is empty", "field": "body"},
    ),
    "a long text": (
        RIDE | {"body": "x" * 1601},
        400,
        {"type": "validation_error", "message": "body is longer than 1600 characters", "field": "body"},
    ),
    "a text with NUL": (
        RIDE | {"body": "a\0b"},
        400,
        {"type": "validation_error", "message": "body must not hold NUL", "field": "body"},
    ),
    "a number without a plus": (
        RIDE | {"to": "2348012345678"},
        400,
        {
            "type": "phone_invalid",
            "message": "recipient is a national number, or lacks its plus: "
            "write it in E.164, as + and its country code",
            "field": "to",
        },
    ),
    "a national number, though its country is named": (
        RIDE | {"to": "08031234567", "country": "NG"},
        400,
        {
            "type": "phone_invalid",
            "message": "recipient is a national number, or lacks its plus: "
            "write it in E.164, as + and its country code",
            "field": "to",
        },
    ),
    "a number too short": (
        RIDE | {"to": "+2348"},
        400,
        {"type": "phone_invalid", "message": "recipient is not a valid E.164 phone number", "field": "to"},
    ),
    "a number of no country": (
        RIDE | {"to": "+99912345678"},
        400,
        {
            "type": "phone_invalid",
            "message": "not a phone number: no country has this calling code; write it as + and 8 to 15 digits",
            "field": "to",
        },
    ),
    "a number that is a number": (
        RIDE | {"to": 2348012345678},
        400,
        {"type": "validation_error", "message": "to should be a valid string", "field": "to"},
    ),
    "a long sender": (
        RIDE | {"from": "TWELVELETTER"},
        400,
        {
            "type": "sender_id_invalid",
            "message": "from must be alphanumeric and at most 11 characters",
            "field": "from",
        },
    ),
    "a sender that is not registered": (
        RIDE | {"from": "OTHER"},
        400,
        {"type": "sender_id_invalid", "message": "'OTHER' is not registered on the account", "field": "from"},
    ),
    "a country that is not served": (
        RIDE | {"country": "US"},
        400,
        {"type": "validation_error", "message": "country must be one of NG, GH, KE, CI", "field": "country"},
    ),
    "a country that cannot be the number's": (
        RIDE | {"to": "+4915112345678", "country": "NG"},
        400,
        {"type": "validation_error", "message": "country cannot be set for this destination", "field": "country"},
    ),
    "a time that is none": (
        RIDE | {"send_at": "tomorrow"},
        400,
        {
            "type": "validation_error",
            "message": "send_at must be an ISO 8601 date and time with its zone, such as 2027-03-01T09:00:00+01:00",
            "field": "send_at",
        },
    ),
    "a time too far ahead": (
        RIDE | {"send_at": "2999-01-01T00:00:00Z"},
        400,
        {"type": "validation_error", "message": "send_at is more than 30 days ahead", "field": "send_at"},
    ),
    "a template that is not there": (
        {"to": "+2348012345678", "from": "ACME", "template": "gone"},
        400,
        {"type": "validation_error", "message": "template not found", "field": "template"},
    ),
    "no JSON": (b"{", 400, {"type": "validation_error", "message": "request body is not valid JSON"}),
    "half a surrogate pair": (
        b'{"to":"+2348012345678","from":"ACME","body":"\\ud83d"}',
        400,
        {"type": "validation_error", "message": "request body is not valid JSON"},
    ),
    "JSON, but no object": (b"[]", 400, {"type": "validation_error", "message": "must be a JSON object"}),
    "nothing": (b"", 400, {"type": "validation_error", "message": "request body is not valid JSON"}),
}


@pytest.mark.parametrize(("body", "status", "error"), REFUSED.values(), ids=REFUSED)
def test_an_invalid_message_is_refused_in_the_vendors_error_format(
    ask: Ask, world: World, body: Any, status: int, error: dict[str, str]
) -> None:
    answer = ask("POST", "/sms", body)

    assert (answer.status, answer.json) == (status, {"error": error})
    assert list(answer.json["error"]) == list(error)
    assert world.rows("SELECT id FROM messages") == []


def test_another_media_type_is_refused(ask: Ask) -> None:
    answer = ask("POST", "/sms", b"to=1", {"Content-Type": "application/x-www-form-urlencoded"})

    assert (answer.status, answer.json["error"]["type"]) == (415, "validation_error")


# Who may ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "Bearer",
        "Bearer rb_live_short",
        "Basic cmI6",
        "Bearer rb_live_" + "x" * 32,
        "Bearer rb_prod_" + "x" * 32,
    ],
)
def test_a_missing_malformed_or_unknown_api_key_is_refused_with_401(
    running_gateway: RunningGateway, header: str | None
) -> None:
    answer = running_gateway.ask(
        "POST", "/robase/v1/sms", RIDE, {"Authorization": header} if header is not None else {}
    )

    assert answer.status == 401
    assert answer.json == {"error": {"type": "authentication_error", "message": "invalid API key"}}


def test_a_key_with_the_sending_scope_cannot_read_or_cancel(running_gateway: RunningGateway, ask: Ask) -> None:
    key = running_gateway.key(Vendor.ROBASE, scopes=["sending"])["api_key"]

    sent = ask("POST", "/sms", RIDE, key=key)

    assert sent.status == 202
    assert (
        ask("POST", "/sms/batch", {"from": "ACME", "messages": [{"to": RIDE["to"], "body": "x"}]}, key=key).status
        == 200
    )
    for method, path in [
        ("GET", "/sms"),
        ("GET", f"/sms/{sent.json['id']}"),
        ("POST", f"/sms/{sent.json['id']}/cancel"),
    ]:
        refused = ask(method, path, key=key)
        assert (refused.status, refused.json["error"]["type"]) == (403, "permission_error")
    assert ask("GET", "/sms", key=running_gateway.key(Vendor.ROBASE, scopes=["full"])["api_key"]).status == 200


def test_more_than_ten_requests_a_second_are_refused_with_429(running_gateway: RunningGateway, ask: Ask) -> None:
    key = running_gateway.key(Vendor.ROBASE)["api_key"]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda _: ask("GET", f"/sms/{uuid4()}", key=key), range(100)))

    refused = next(answer for answer in answers if answer.status == 429)
    assert sum(answer.status == 404 for answer in answers) >= 10
    assert refused.json == {"error": {"type": "rate_limit_exceeded", "message": "rate limit exceeded"}}
    assert refused.headers["retry-after"] == "1"
    assert ask("GET", "/sms", key=key).status == 200


def test_a_message_is_refused_only_when_quota_and_wallet_are_both_exhausted(ask: Ask, world: World) -> None:
    world.run("UPDATE wallets SET balance = 0")
    grant(world.rt, "acme", 1, "a month")

    first, second = ask("POST", "/sms", RIDE), ask("POST", "/sms", RIDE)

    assert (first.status, first.json["cost"]) == (202, {"amount_kobo": 0, "currency": "NGN"})
    assert second.status == 402
    assert second.json == {
        "error": {"type": "sms_quota_exceeded", "message": "monthly quota and wallet are both exhausted"}
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "kind"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/sms", 405, "validation_error"),
        ("GET", "/sms/no-id", 404, "not_found"),
        ("GET", "/sms/00000000-0000-7000-8000-000000000000", 404, "not_found"),
        ("POST", "/sms/00000000-0000-7000-8000-000000000000/cancel", 404, "not_found"),
    ],
)
def test_unknown_paths_methods_and_ids_are_refused_in_the_vendors_error_format(
    ask: Ask, method: str, path: str, status: int, kind: str
) -> None:
    answer = ask(method, path)

    assert (answer.status, answer.json["error"]["type"]) == (status, kind)


# Sender ids and countries ---------------------------------------------------------------------------------------


def test_a_pending_sender_works_only_with_test_keys_and_a_rejected_one_never(
    ask: Ask, world: World, trial: str
) -> None:
    set_sender(world.rt, "acme", "NEW", SenderState.PENDING)
    set_sender(world.rt, "acme", "BAD", SenderState.REJECTED)

    answers = {
        (sender, mode): ask("POST", "/sms", RIDE | {"from": sender}, key=key)
        for sender in ("NEW", "BAD")
        for mode, key in (("live", None), ("test", trial))
    }

    assert answers["NEW", "test"].status == 202
    for case in (("NEW", "live"), ("BAD", "live"), ("BAD", "test")):
        assert answers[case].status == 400
        assert answers[case].json["error"] | {"message": ""} == {
            "type": "sender_id_invalid",
            "message": "",
            "field": "from",
        }


def test_a_sender_is_accepted_only_for_the_countries_it_is_approved_for(ask: Ask, world: World) -> None:
    world.run("UPDATE sender_ids SET countries = '{GH,KE}' WHERE sender = 'ACME'")

    nigeria, ghana = ask("POST", "/sms", RIDE), ask("POST", "/sms", RIDE | {"to": "+233201234567"})

    assert (nigeria.status, nigeria.json["error"]["type"], nigeria.json["error"]["field"]) == (
        400,
        "sender_id_invalid",
        "from",
    )
    assert ghana.status == 202


# The same again -------------------------------------------------------------------------------------------------


def test_a_repeated_idempotency_key_returns_the_first_response_whatever_the_body(ask: Ask, world: World) -> None:
    key = {"Idempotency-Key": "order-92413-dispatch-sms"}
    first = ask("POST", "/sms", RIDE | {"send_at": soon(days=1)}, key)
    carry_all(world)

    again = [
        ask("POST", "/sms", body, key)
        for body in (RIDE | {"send_at": soon(days=1)}, RIDE | {"body": "other"}, RIDE | {"to": "12"}, {}, b"{")
    ]

    assert "idempotent-replay" not in first.headers
    for answer in again:
        assert (answer.status, answer.body) == (202, first.body)
        assert answer.headers["idempotent-replay"] == "true"
    assert world.rows("SELECT count(*) FROM messages") == [1]
    assert world.balance() == 1_000_000 - 400


def test_a_replayed_response_is_unchanged_after_the_message_was_sent(ask: Ask, world: World) -> None:
    first = ask("POST", "/sms", RIDE, {"Idempotency-Key": "k"})
    carry_all(world)

    assert ask("POST", "/sms", RIDE, {"Idempotency-Key": "k"}).body == first.body


def test_a_replayed_response_is_unchanged_after_failover_to_another_carrier(ask: Ask, world: World) -> None:
    world.add_carrier("alpha", {"refuse_transient": 1})
    world.add_carrier("beta", rank=2)
    later = RIDE | {"send_at": soon(hours=1)}
    first = ask("POST", "/sms", later, {"Idempotency-Key": "k"})
    world.make_due()
    carry_all(world)

    again = ask("POST", "/sms", later, {"Idempotency-Key": "k"})

    assert world.rows("SELECT carrier FROM provider_attempts ORDER BY n") == ["alpha", "beta"]
    assert again.body == first.body


def test_concurrent_requests_with_one_idempotency_key_create_one_message(ask: Ask, world: World) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask("POST", "/sms", RIDE, {"Idempotency-Key": "k"}), range(16)))

    assert {answer.status for answer in answers} == {202}
    assert len({answer.body for answer in answers}) == 1
    assert sum("idempotent-replay" not in answer.headers for answer in answers) == 1
    assert world.rows("SELECT count(*) FROM messages") == [1]


def test_a_request_refused_for_lack_of_money_is_processed_again_when_it_is_repeated(ask: Ask, world: World) -> None:
    key = {"Idempotency-Key": "k"}
    assert ask("POST", "/sms", RIDE | {"to": "12"}, key).status == 400
    make_dear(world)
    short, still = ask("POST", "/sms", RIDE, key), ask("POST", "/sms", RIDE, key)
    top_up(world.rt, "acme", 10_000_000, "more")

    paid, again = ask("POST", "/sms", RIDE, key), ask("POST", "/sms", RIDE, key)

    assert (short.status, still.status, paid.status, again.status) == (402, 402, 202, 202)
    assert not any("idempotent-replay" in each.headers for each in (short, still, paid))
    assert (again.body, again.headers["idempotent-replay"]) == (paid.body, "true")
    assert sorted(world.rows("SELECT coalesce(status, 'on its way') FROM messages")) == [
        "on its way",
        "rejected",
        "rejected",
    ]
    assert not broken(world)


def test_a_request_refused_for_lack_of_a_price_is_processed_again_when_it_is_repeated(ask: Ask, world: World) -> None:
    key, there = {"Idempotency-Key": "k"}, RIDE | {"to": "+233201234567"}
    world.run("DELETE FROM prices")
    unpriced = ask("POST", "/sms", there, key)
    set_price(world.rt, "GH", "NGN", 15, None)

    assert (unpriced.status, ask("POST", "/sms", there, key).status) == (400, 202)


def test_concurrent_retries_of_an_unpaid_request_create_one_message(ask: Ask, world: World) -> None:
    key = {"Idempotency-Key": "k"}
    make_dear(world)
    assert ask("POST", "/sms", RIDE, key).status == 402
    top_up(world.rt, "acme", 10_000_000, "more")

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask("POST", "/sms", RIDE, key), range(16)))

    assert {answer.status for answer in answers} == {202}
    assert len({answer.body for answer in answers}) == 1
    assert world.rows("SELECT count(*) FROM messages WHERE status IS DISTINCT FROM 'rejected'") == [1]
    assert not broken(world)


def test_unpaid_rows_of_a_batch_are_processed_again_when_it_is_repeated(ask: Ask, world: World) -> None:
    rows = {"from": "ACME", "messages": [{"to": f"+234801234567{n}", "body": "x"} for n in range(3)]}
    make_dear(world, 600_000)
    first = ask("POST", "/sms/batch", rows, {"Idempotency-Key": "k"})
    top_up(world.rt, "acme", 10_000_000, "more")

    again = ask("POST", "/sms/batch", rows, {"Idempotency-Key": "k"})

    assert (first.json["accepted"], again.json["accepted"]) == (1, 3)
    assert sorted(row.get("replayed", False) for row in again.json["data"]) == [False, False, True]
    assert world.rows("SELECT count(*) FROM messages WHERE status IS DISTINCT FROM 'rejected'") == [3]
    assert not broken(world)


def test_live_and_test_requests_have_separate_idempotency_keys(ask: Ask, world: World, trial: str) -> None:
    live, test = (ask("POST", "/sms", RIDE, {"Idempotency-Key": "k"}, key=key) for key in (None, trial))

    assert (live.json["test_mode"], test.json["test_mode"]) == (False, True)
    assert live.json["id"] != test.json["id"]


@pytest.mark.parametrize("word", ["x" * 256, "a\tb"])
def test_an_invalid_idempotency_key_is_refused(ask: Ask, word: str) -> None:
    answer = ask("POST", "/sms", RIDE, {"Idempotency-Key": word})

    assert (answer.status, answer.json["error"]["field"]) == (400, "Idempotency-Key")


# A batch --------------------------------------------------------------------------------------------------------


def test_a_batch_has_one_result_for_each_row(ask: Ask, world: World) -> None:
    answer = ask(
        "POST",
        "/sms/batch",
        {
            "from": "ACME",
            "messages": [
                {"to": "+2348012345678", "body": "one"},
                {"to": "nobody", "body": "two"},
                {"to": "+2348012345679"},
                "three",
                {"to": "+2348012345670", "body": "${text} four"},
            ],
        },
    )

    reported = answer.json
    assert answer.status == 200
    assert list(reported) == ["accepted", "failed", "success", "data"]
    assert (reported["accepted"], reported["failed"], reported["success"]) == (2, 3, False)
    assert [row["index"] for row in reported["data"]] == [0, 1, 2, 3, 4]
    assert [row["sms"]["body"] for row in reported["data"] if "sms" in row] == ["one", "${text} four"]
    assert [row.get("error") for row in reported["data"]][1:4] == [
        {"type": "phone_invalid", "message": "recipient is not a valid E.164 phone number", "field": "to"},
        {"type": "validation_error", "message": "body or template required", "field": "body"},
        {"type": "validation_error", "message": "must be a JSON object"},
    ]
    assert world.rows("SELECT body FROM messages ORDER BY id") == ["one", "${text} four"]
    assert world.balance() == 1_000_000 - 800


def test_a_thousand_rows_are_one_order_and_one_batch(ask: Ask, world: World) -> None:
    rows = [{"to": f"+23480{place:08}", "body": f"number {place}"} for place in range(10_000_000, 10_001_000)]

    answer = ask("POST", "/sms/batch", {"from": "ACME", "messages": rows})

    assert (answer.json["accepted"], answer.json["success"]) == (1000, True)
    assert [row["sms"]["body"] for row in answer.json["data"]] == [row["body"] for row in rows]
    assert world.rows("SELECT count(*) FROM requests") == [1]
    assert world.rows("SELECT size FROM batches") == [1000]


def test_rows_with_idempotency_keys_share_a_batch_and_are_replayed(ask: Ask, world: World) -> None:
    rows = [{"to": "+2348012345678", "body": f"n {n}", "idempotency_key": f"k{n % 100}"} for n in range(101)]
    asked = {"from": "ACME", "messages": rows}

    first, again = ask("POST", "/sms/batch", asked), ask("POST", "/sms/batch", asked)

    assert [row.get("replayed", False) for row in first.json["data"]] == [False] * 100 + [True]
    assert first.json["data"][100]["sms"] == first.json["data"][0]["sms"]
    assert [row["replayed"] for row in again.json["data"]] == [True] * 101
    assert [list(row) for row in again.json["data"][:1]] == [["index", "replayed", "sms"]]
    assert [row["sms"] for row in again.json["data"]] == [row["sms"] for row in first.json["data"]]
    assert world.rows("SELECT size FROM batches") == [100]
    assert world.balance() == 1_000_000 - 100 * 400


def test_idempotency_keys_of_rows_and_of_the_header_are_separate(ask: Ask, world: World) -> None:
    single = ask("POST", "/sms", RIDE, {"Idempotency-Key": "k"})
    rows = [{"to": "+2348012345678", "body": "row", "idempotency_key": "k"}, {"to": "+2348012345678", "body": "bare"}]
    asked = {"from": "ACME", "messages": rows}

    first, again = (ask("POST", "/sms/batch", asked, {"Idempotency-Key": "k"}) for _ in range(2))

    assert single.json["id"] not in [row["sms"]["id"] for row in first.json["data"]]
    assert [row["sms"] for row in again.json["data"]] == [row["sms"] for row in first.json["data"]]
    assert ("idempotent-replay" in first.headers, again.headers["idempotent-replay"]) == (False, "true")
    assert world.rows("SELECT count(*) FROM messages") == [3]


def test_a_batch_with_a_future_send_at_is_scheduled(ask: Ask) -> None:
    answer = ask(
        "POST", "/sms/batch", {"from": "ACME", "messages": [{"to": RIDE["to"], "body": "x"}], "send_at": soon(hours=1)}
    )

    assert answer.json["data"][0]["sms"]["status"] == "scheduled"


def test_an_unregistered_sender_fails_each_row(ask: Ask) -> None:
    answer = ask("POST", "/sms/batch", {"from": "OTHER", "messages": [{"to": RIDE["to"], "body": "x"}] * 2})

    assert (answer.status, answer.json["accepted"], answer.json["failed"]) == (200, 0, 2)
    assert {row["error"]["type"] for row in answer.json["data"]} == {"sender_id_invalid"}


def test_rows_that_the_wallet_does_not_cover_fail(ask: Ask, world: World) -> None:
    world.run("UPDATE wallets SET balance = 800")

    answer = ask("POST", "/sms/batch", {"from": "ACME", "messages": [{"to": RIDE["to"], "body": "x"}] * 3})

    assert (answer.json["accepted"], answer.json["failed"]) == (2, 1)
    assert [row["error"]["type"] for row in answer.json["data"] if "error" in row] == ["sms_quota_exceeded"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"messages": [{}]}, "from"),
        ({"from": "ACME"}, "messages"),
        ({"from": "ACME", "messages": []}, "messages"),
        ({"from": "ACME", "messages": [{}] * 1001}, "messages"),
        ({"from": "ACME", "messages": [{}], "country": "US"}, "country"),
        ({"from": "ACME", "messages": [{}], "send_at": "2999-01-01T00:00:00Z"}, "send_at"),
    ],
)
def test_an_invalid_batch_is_refused_as_a_whole(ask: Ask, body: Any, field: str) -> None:
    answer = ask("POST", "/sms/batch", body)

    assert (answer.status, answer.json["error"]["type"], answer.json["error"]["field"]) == (
        400,
        "validation_error",
        field,
    )


# Looking at what was sent ---------------------------------------------------------------------------------------


def test_the_events_of_a_scheduled_message_list_its_status_changes(ask: Ask, world: World) -> None:
    later = RIDE | {"send_at": soon(hours=1)}
    sent, taken_back = (ask("POST", "/sms", later).json["id"] for _ in range(2))

    def kinds(id_: str) -> list[str]:
        return [event["type"] for event in ask("GET", f"/sms/{id_}").json["events"]]

    waiting = kinds(sent)
    ask("POST", f"/sms/{taken_back}/cancel")
    world.make_due()
    carry_all(world)

    assert waiting == ["sms.scheduled"]
    assert kinds(sent)[:3] == ["sms.scheduled", "sms.queued", "sms.sent"]
    assert kinds(taken_back) == ["sms.scheduled", "sms.cancelled"]


def test_a_message_is_returned_with_its_attempts_and_events(ask: Ask, world: World) -> None:
    world.add_carrier("alpha", {"refuse_transient:busy": 1})
    world.add_carrier("beta", rank=2)
    id_ = ask("POST", "/sms", RIDE).json["id"]
    carry_all(world)

    reported = ask("GET", f"/sms/{id_}").json

    assert list(reported) == ["sms", "events"]
    sms = reported["sms"]
    assert (sms["id"], sms["status"], sms["provider"]) == (id_, "sent", "beta")
    assert [(each["provider"], each["ok"]) for each in sms["provider_attempts"]] == [("alpha", False), ("beta", True)]
    assert sms["provider_attempts"][0]["error_code"] == "busy"
    assert sms["provider_attempts"][1]["provider_message_id"] == sms["provider_message_id"]
    assert sms["cost"] == {"amount_kobo": 400, "currency": "NGN"}
    assert sms["sent_at"]
    assert "delivered_at" not in sms
    assert [event["type"] for event in reported["events"]] == ["sms.queued", "sms.sent"]


def test_a_scheduled_message_is_returned_with_its_send_at(ask: Ask) -> None:
    id_ = ask("POST", "/sms", RIDE | {"send_at": soon(days=2)}).json["id"]

    sms = ask("GET", f"/sms/{id_}").json["sms"]

    assert (sms["status"], sms["provider_attempts"]) == ("scheduled", [])
    assert sms["send_at"].endswith("Z")


def test_pages_list_every_message_once_latest_first(ask: Ask) -> None:
    ids = [ask("POST", "/sms", RIDE | {"body": f"{n}"}).json["id"] for n in range(3)]
    rows = [{"to": "+2348012345678", "body": f"row {n}"} for n in range(5)] + [{"to": "1", "body": "bad"}]
    ids += [row["sms"]["id"] for row in ask("POST", "/sms/batch", {"from": "ACME", "messages": rows}).json["data"][:5]]
    ids += [ask("POST", "/sms", RIDE).json["id"] for _ in range(2)]

    pages: list[list[str]] = []
    cursor: str | None = ""
    while cursor is not None:
        reported = ask("GET", f"/sms?limit=3&cursor={cursor}").json
        pages.append([each["id"] for each in reported["data"]])
        cursor = reported.get("next_cursor")

    assert [id_ for page in pages for id_ in page] == ids[::-1]
    assert [len(page) for page in pages] == [3, 3, 3, 1]
    assert len(ask("GET", "/sms").json["data"]) == 10


def test_keys_see_only_messages_of_their_account_and_mode(
    ask: Ask, world: World, running_gateway: RunningGateway, trial: str
) -> None:
    live, test = ask("POST", "/sms", RIDE).json["id"], ask("POST", "/sms", RIDE, key=trial).json["id"]
    create_account(world.rt, "other", "NGN")
    scripted_vendor = issue(world.rt, "other", Vendor.ROBASE).credentials["api_key"]

    assert [each["id"] for each in ask("GET", "/sms").json["data"]] == [live]
    assert [each["id"] for each in ask("GET", "/sms", key=trial).json["data"]] == [test]
    assert ask("GET", "/sms", key=scripted_vendor).json == {"data": []}
    assert ask("GET", f"/sms/{live}", key=scripted_vendor).status == 404
    assert ask("GET", f"/sms/{live}", key=trial).status == 404
    assert ask("POST", f"/sms/{live}/cancel", key=scripted_vendor).status == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=-1", "cursor=zz", "cursor=" + "g" * 32])
def test_an_invalid_limit_or_cursor_is_refused(ask: Ask, query: str) -> None:
    answer = ask("GET", f"/sms?{query}")

    assert (answer.status, answer.json["error"]["field"]) == (400, query.partition("=")[0])


def test_a_scheduled_message_is_cancelled_once_and_its_money_released(ask: Ask, world: World) -> None:
    id_ = ask("POST", "/sms", RIDE | {"send_at": soon(hours=1)}).json["id"]

    taken, again = ask("POST", f"/sms/{id_}/cancel"), ask("POST", f"/sms/{id_}/cancel")

    assert (taken.status, taken.json["id"], taken.json["status"]) == (200, id_, "cancelled")
    assert again.status == 409
    assert again.json == {
        "error": {"type": "conflict", "message": "message is already cancelled and can no longer be cancelled"}
    }
    assert world.balance() == 1_000_000


def test_a_queued_message_cannot_be_cancelled(ask: Ask) -> None:
    id_ = ask("POST", "/sms", RIDE).json["id"]

    answer = ask("POST", f"/sms/{id_}/cancel")

    assert answer.status == 409
    assert answer.json == {
        "error": {"type": "conflict", "message": "message is already queued and can no longer be cancelled"}
    }


# Tests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "kind"), [("+2340000000002", "phone_invalid"), ("+2340000000004", "dnd_blocked")])
def test_magic_numbers_refuse_messages_of_test_keys(ask: Ask, trial: str, number: str, kind: str) -> None:
    single = ask("POST", "/sms", RIDE | {"to": number}, key=trial)
    batch = ask("POST", "/sms/batch", {"from": "ACME", "messages": [{"to": number, "body": "x"}]}, key=trial)

    assert (single.status, single.json["error"]["type"], single.json["error"]["field"]) == (400, kind, "to")
    assert batch.json["data"][0]["error"] == single.json["error"]


def test_a_live_key_sends_to_magic_numbers(ask: Ask) -> None:
    assert ask("POST", "/sms", RIDE | {"to": "+2340000000002"}).status == 202


def test_a_test_message_is_free_and_uses_the_simulated_carrier(ask: Ask, world: World, trial: str) -> None:
    reported = ask("POST", "/sms", RIDE | {"to": "+2340000000001"}, key=trial).json

    assert (reported["test_mode"], reported["provider"], reported["cost"]["amount_kobo"]) == (True, "simulated", 0)
    assert world.balance() == 1_000_000


def test_no_field_value_causes_a_5xx_response(ask: Ask) -> None:
    values: list[object] = [None, True, 1, 1.5, [], {}, "x", "\u0000", "😀" * 2000]
    for value in values:
        for field in ("to", "from", "body", "template", "variables", "country", "send_at", "messages"):
            for path in ("/sms", "/sms/batch"):
                answer = ask("POST", path, json.dumps(RIDE | {"messages": [RIDE]} | {field: value}).encode())
                assert answer.status < 500, (path, field, value)


def make_dear(world: World, price: int = 1_000_001) -> None:
    """Let a segment to Nigeria cost so much, of the account's 1,000,000."""
    set_price(world.rt, "NG", "NGN", price, None)


def broken(world: World) -> list[Any]:
    """Return the invariants that do not hold."""
    return [finding for finding in audit(world.rt) if finding.broken]
