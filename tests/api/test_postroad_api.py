"""Postroad's own API over HTTP: messages, requests, inbound messages, templates, balance, webhooks, scopes."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.audit import audit
from pipeline.stages.admin.wallets import top_up
from pipeline.stages.api import account_messages as stage
from pipeline.stages.inbound import keep, reply
from pipeline.store.api import account_messages
from schema.carriage import Inbound
from tests.api.conftest import Answer, RunningGateway
from tests.dialects.vendors import Vendor, issue
from tests.world import World
from workers.wiring import index_new

Ask = Callable[..., Answer]

ADA, BEN, ODD = "+2348012345678", "+2348087654321", "12"
SEND: dict[str, Any] = {
    "sender": "ACME",
    "body": "Hello ${name}",
    "recipients": [{"to": ADA, "merge": {"name": "Ada"}}],
}


@pytest.fixture
def ask(running_gateway: RunningGateway) -> Ask:
    """Call an operation with a live key of acme, unless another is given."""
    token = running_gateway.key(Vendor.POSTROAD, settings={"rate": 1000})["api_key"]

    def call(
        method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, key: str | None = None
    ) -> Answer:
        given = {"Authorization": f"Bearer {key or token}"} | dict(headers or {})
        return running_gateway.ask(method, f"/postroad/v1{path}", body, given)

    return call


@pytest.fixture
def other(world: World) -> str:
    """A key of another account."""
    create_account(world.rt, "bolt", "NGN")
    return str(issue(world.rt, "bolt", Vendor.POSTROAD, settings={"rate": 1000}).credentials["api_key"])


@pytest.fixture
def trial(running_gateway: RunningGateway) -> str:
    """A test key of acme."""
    return str(running_gateway.key(Vendor.POSTROAD, test=True, settings={"rate": 1000})["api_key"])


def soon() -> str:
    return (datetime.now(UTC) + timedelta(hours=1)).isoformat()


def codes(answer: Answer) -> tuple[int, list[tuple[str, str | None]]]:
    """Return the status of a problem, and each of its faults with its field."""
    assert answer.headers["content-type"] == "application/problem+json", answer
    assert (answer.json["status"], answer.json["code"]) == (answer.status, answer.json["errors"][0]["code"])
    return answer.status, [(each["code"], each["field"]) for each in answer.json["errors"]]


def listed(ask: Ask, path: str, *, limit: int = 200, key: str | None = None) -> list[Any]:
    """Return all items of a list, page by page."""
    found, cursor = [], ""
    while True:
        sign = "&" if "?" in path else "?"
        page = ask("GET", f"{path}{sign}limit={limit}" + (f"&cursor={cursor}" if cursor else ""), key=key)
        assert page.status == 200, page.body
        assert len(page.json["data"]) <= limit
        found += page.json["data"]
        cursor = page.json["next_cursor"]
        if cursor is None:
            return found


# Sending ----------------------------------------------------------------------------------------------------------


def test_a_message_is_answered_with_a_result_for_each_recipient(ask: Ask, world: World) -> None:
    recipients = [
        {"to": "0801 234 5678", "country": "NG", "merge": {"name": "Ada"}, "correlation_id": "a-1"},
        {"to": ODD, "merge": {"name": "Ben"}, "correlation_id": "b-1"},
        {"to": BEN},
        {"to": BEN, "merge": {"name": "ж" * 80}},
    ]

    sent = ask("POST", "/messages", SEND | {"recipients": recipients})

    assert sent.status == 202, sent.body
    first, odd, nameless, long = sent.json["messages"]
    assert UUID(first.pop("id")).version == 7
    assert first == {
        "status": "queued",
        "to": ADA,
        "country": "NG",
        "correlation_id": "a-1",
        "encoding": "GSM7",
        "segments": 1,
        "cost": {"amount": "4.00", "currency": "NGN"},
        "error": None,
    }
    assert (odd["id"], odd["status"], odd["to"], odd["correlation_id"]) == (None, "refused", ODD, "b-1")
    assert (odd["error"]["code"], odd["error"]["field"]) == ("phone_invalid", "recipients[1].to")
    assert nameless["error"]["code"] == "merge_field_missing"
    assert (long["encoding"], long["segments"]) == ("UCS2", 2)
    assert {name: sent.json[name] for name in ("accepted", "refused", "segments", "cost", "test")} == {
        "accepted": 2,
        "refused": 2,
        "segments": 3,
        "cost": {"amount": "12.00", "currency": "NGN"},
        "test": False,
    }
    assert world.balance() == 1_000_000 - 1200
    sums = {"balance": "9988.00", "reserved": "0.00"}
    assert ask("GET", "/balance").json == {name: {"amount": sum_, "currency": "NGN"} for name, sum_ in sums.items()}
    report = ask("GET", f"/requests/{sent.json['request_id']}").json
    assert (report["recipients"], report["accepted"], report["class"]) == (4, 2, "transactional")
    assert (report["statuses"]["queued"], sum(report["statuses"].values())) == (2, 2)
    assert [(each["index"], each["code"]) for each in report["refusals"]] == [
        (1, "phone_invalid"),
        (2, "merge_field_missing"),
    ]


REFUSED: dict[str, tuple[Any, int, list[tuple[str, str | None]]]] = {
    "a number that is none": (SEND | {"recipients": [{"to": ODD}]}, 422, [("phone_invalid", "recipients[0].to")]),
    "a missing merge field": (
        SEND | {"recipients": [{"to": ADA}]},
        422,
        [("merge_field_missing", "recipients[0].merge")],
    ),
    "a sender that is not registered": (SEND | {"sender": "OTHER"}, 422, [("sender_invalid", "sender")]),
    "no such template": (
        {"sender": "ACME", "template": "none", "recipients": [{"to": ADA}]},
        422,
        [("template_unknown", "template")],
    ),
    "a time that has passed": (SEND | {"send_at": "2020-01-01T00:00:00Z"}, 422, [("schedule_past", "send_at")]),
    "a body and a template": (SEND | {"template": "ride"}, 400, [("invalid_field", None)]),
    "an unknown field": (SEND | {"from": "ACME"}, 400, [("invalid_field", "from")]),
    "nothing": ({}, 400, [("missing_field", "sender"), ("missing_field", "recipients")]),
}


def test_a_request_that_sends_nothing_is_a_problem(ask: Ask, world: World) -> None:
    for words, (body, status, faults) in REFUSED.items():
        assert codes(ask("POST", "/messages", body)) == (status, faults), words
    assert world.rows("SELECT id FROM messages") == []


def test_a_request_that_cannot_be_paid_for_is_402_and_may_be_repeated_once_there_is_money(
    ask: Ask, world: World, other: str
) -> None:
    world.run("INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'bolt'")
    header = {"Idempotency-Key": "k"}

    poor = ask("POST", "/messages", SEND, header, other)
    top_up(world.rt, "bolt", 10_000, "more")
    rich, again = (ask("POST", "/messages", SEND, header, other) for _ in range(2))

    assert codes(poor) == (402, [("insufficient_funds", "recipients[0].to")])
    assert (rich.status, rich.headers.get("idempotent-replayed")) == (202, None)
    assert (again.json, again.headers.get("idempotent-replayed")) == (rich.json, "true")


# Idempotency ------------------------------------------------------------------------------------------------------


def test_a_repeated_request_gets_the_first_response_and_sends_nothing(ask: Ask, world: World) -> None:
    header = {"Idempotency-Key": '"8e03978e"'}
    mixed = SEND | {"recipients": [*SEND["recipients"], {"to": ODD}]}

    first, again, bare = (
        ask("POST", "/messages", mixed, each) for each in (header, header, {"Idempotency-Key": "8e03978e"})
    )
    world.send(BEN)

    assert (first.status, again.status, bare.status) == (202, 202, 202)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == bare.headers["idempotent-replayed"] == "true"
    assert first.json == again.json == bare.json
    assert world.rows("SELECT count(*) FROM messages WHERE phone = %(ada)s", ada=ADA) == [1]


def test_an_idempotency_key_used_with_another_request_is_refused(ask: Ask, world: World, other: str) -> None:
    header = {"Idempotency-Key": "k"}
    assert ask("POST", "/messages", SEND, header).status == 202

    changed = ask("POST", "/messages", SEND | {"body": "Bye ${name}"}, header)

    assert codes(changed) == (422, [("idempotency_conflict", "Idempotency-Key")])
    assert world.rows("SELECT count(*) FROM messages") == [1]
    # another account's keys are its own
    assert codes(ask("POST", "/messages", SEND, header, other))[1] == [("sender_invalid", "sender")]


def test_concurrent_requests_with_one_idempotency_key_send_one_message(ask: Ask, world: World) -> None:
    bodies = [SEND | {"body": f"Hello ${{name}} {n % 2}"} for n in range(8)]

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda body: ask("POST", "/messages", body, {"Idempotency-Key": "k"}), bodies))

    assert sorted(answer.status for answer in answers) == [202] * 4 + [422] * 4
    assert len({answer.json["request_id"] for answer in answers if answer.status == 202}) == 1
    assert world.rows("SELECT count(*) FROM messages") == [1]
    assert [finding for finding in audit(world.rt) if finding.broken] == []


# Reading ----------------------------------------------------------------------------------------------------------


def test_a_message_is_read_with_its_status_and_attempts_whatever_it_came_through(ask: Ask, world: World) -> None:
    sent = world.send(ADA, **{"class": "bulk"})

    read = ask("GET", f"/messages/{sent.messages[0]}")

    assert read.status == 200, read.body
    found = read.json
    assert (found["status"], found["class"], found["carrier"], found["test"]) == ("sent", "bulk", "alpha", False)
    assert found["request_id"] == str(sent.request)
    assert [(each["carrier"], each["outcome"]) for each in found["attempts"]] == [("alpha", "accepted")]
    for name in ("created_at", "sent_at"):
        assert found[name].endswith("Z")
        assert abs(datetime.fromisoformat(found[name]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert found["send_at"] is found["final_at"] is found["error_code"] is None


def test_messages_are_listed_the_latest_first_page_by_page(ask: Ask, world: World) -> None:
    sent = [str(id_) for _ in range(3) for id_ in world.send(ADA, BEN).messages]
    recipients = [{"to": number, "merge": {"name": "x"}} for number in (ADA, BEN, ADA)]
    latest = ask("POST", "/messages", SEND | {"recipients": recipients}).json
    sent += [each["id"] for each in latest["messages"]]

    for limit in (1, 2, 3, 9, 200):
        assert [each["id"] for each in listed(ask, "/messages", limit=limit)] == sent[::-1]
    assert [each["id"] for each in listed(ask, f"/messages?request={latest['request_id']}", limit=2)] == sent[:-4:-1]


def test_messages_are_filtered_by_status_sender_request_and_time(
    ask: Ask, world: World, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.run("INSERT INTO sender_ids (account_id, sender) VALUES (%(id)s, 'SPARE')", id=world.account)
    first = world.send(ADA, BEN).messages
    between = datetime.now(UTC).isoformat().replace("+", "%2B")
    spare = world.send(ADA, sender="SPARE").messages
    later = [UUID(each["id"]) for each in ask("POST", "/messages", SEND | {"send_at": soon()}).json["messages"]]
    monkeypatch.setattr(account_messages, "EXAMINED_MESSAGES", 1)
    monkeypatch.setattr(account_messages, "EXAMINED_REQUESTS", 2)

    def found(query: str, key: str | None = None) -> list[UUID]:
        return [UUID(each["id"]) for each in listed(ask, f"/messages?{query}", key=key)]

    assert found("status=scheduled") == later
    assert found("status=sent") == [*spare, *reversed(first)]
    assert found("sender=SPARE") == found(f"since={between}&status=sent") == spare
    assert found(f"until={between}") == list(reversed(first))
    assert found("status=failed") == found("sender=NONE") == found(f"request={uuid4()}") == found("", other) == []
    assert codes(ask("GET", "/messages?cursor=zz"))[1] == [("invalid_field", "cursor")]
    assert codes(ask("GET", "/messages?stauts=sent&limit=0"))[1] == [
        ("invalid_field", "stauts"),
        ("invalid_field", "limit"),
    ]


def test_messages_are_searched_by_number_and_correlation_id(
    ask: Ask, world: World, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bolt = "INSERT INTO sender_ids (account_id, sender) SELECT id, 'ACME' FROM accounts WHERE name = 'bolt'"
    world.run(bolt)
    world.send(ADA, account="bolt")
    before = ask("GET", "/messages?to=%2B2348012345678").json
    merge, sent = {"name": "Ada"}, []
    for place, number in enumerate((ADA, BEN, ADA)):
        recipient = {"to": number, "merge": merge, "correlation_id": f"o-{place % 2}"}
        sent.append(ask("POST", "/messages", SEND | {"recipients": [recipient]}).json["messages"][0]["id"])
    later = ask("POST", "/messages", SEND | {"send_at": soon()}).json["messages"][0]["id"]
    index_new(world.rt)
    monkeypatch.setattr(stage, "EXAMINED", 2)

    def found(query: str, key: str | None = None) -> list[str]:
        return [each["id"] for each in listed(ask, f"/messages?{query}", limit=1, key=key)]

    assert (before["data"], before["complete_until"]) == ([], None)
    for spelt in ("to=%2B2348012345678", "to=+234 801 234 5678".replace(" ", "%20"), "to=0801 234 5678&country=NG"):
        assert found(spelt.replace(" ", "%20")) == [later, sent[2], sent[0]]
    assert found("to=%2B2348012345678&status=scheduled") == [later]
    assert found("correlation_id=o-0") == [sent[2], sent[0]]
    assert found("correlation_id=o-1&to=%2B2348087654321") == [sent[1]]
    for none in ("correlation_id=o-1&to=%2B2348012345678", f"correlation_id=o-1&request={uuid4()}", "correlation_id=x"):
        assert found(none) == []
    assert len(found("to=%2B2348012345678", other)) == 1
    page = ask("GET", "/messages?to=%2B2348012345678").json
    assert page["complete_from"] is None
    assert abs(datetime.fromisoformat(page["complete_until"]) - datetime.now(UTC)) < timedelta(minutes=5)
    assert ask("GET", "/messages").json["complete_until"] is None
    assert codes(ask("GET", "/messages?to=12&country=ng")) == (400, [("invalid_field", "country")])
    assert codes(ask("GET", "/messages?to=0801&country=NG&campaign=x"))[1] == [("invalid_field", "to")]
    assert codes(ask("GET", "/messages?country=NG"))[1] == [("invalid_field", "country")]


def test_a_scheduled_message_is_cancelled_once_and_a_sent_one_is_not(ask: Ask, world: World) -> None:
    later = ask("POST", "/messages", SEND | {"send_at": soon()}).json["messages"][0]
    sent = world.send(ADA).messages[0]
    before = world.balance()

    cancelled, again, late = (ask("POST", f"/messages/{id_}/cancel") for id_ in (later["id"], later["id"], sent))

    assert later["status"] == "scheduled"
    assert (cancelled.status, cancelled.json["status"], cancelled.json["final_at"] is None) == (200, "cancelled", False)
    assert (again.status, again.json) == (200, cancelled.json)
    assert codes(late) == (409, [("conflict", None)])
    assert world.balance() == before + 400


def test_a_test_key_sees_tests_only_and_a_live_key_both(ask: Ask, world: World, trial: str) -> None:
    live = ask("POST", "/messages", SEND).json["messages"][0]["id"]
    tested = ask("POST", "/messages", SEND, key=trial).json
    tried = ask("POST", "/messages", SEND | {"test": True}).json
    tests = [each["messages"][0]["id"] for each in (tried, tested)]

    assert tested["test"] is tried["test"] is True
    assert world.balance() == 1_000_000 - 400
    assert [each["id"] for each in listed(ask, "/messages", key=trial)] == tests
    assert [each["id"] for each in listed(ask, "/messages?test=true")] == tests
    assert [each["id"] for each in listed(ask, "/messages")] == [live]
    assert [ask("GET", f"/messages/{id_}", key=trial).status for id_ in (live, *tests)] == [404, 200, 200]
    assert [ask("GET", f"/messages/{id_}").status for id_ in (live, *tests)] == [200, 200, 200]
    assert ask("GET", f"/requests/{tested['request_id']}", key=trial).status == 200
    assert ask("POST", f"/messages/{live}/cancel", key=trial).status == 404
    assert codes(ask("GET", "/messages?test=false", key=trial))[1] == [("invalid_field", "test")]
    assert codes(ask("GET", "/inbound", key=trial)) == (403, [("forbidden", None)])


# Inbound messages -------------------------------------------------------------------------------------------------


def test_inbound_messages_of_the_account_are_listed_the_latest_first(ask: Ask, world: World, other: str) -> None:
    came = [
        Inbound(carrier="alpha", key=f"k{n}", phone=ADA, sender="ACME", body=f"text {n}", at=None) for n in range(5)
    ]
    assert keep(world.rt, came) == 5
    assert reply(world.rt) == []

    every = listed(ask, "/inbound")

    assert [each["body"] for each in every] == [f"text {n}" for n in reversed(range(5))]
    assert {name: every[0][name] for name in ("from", "to", "action", "carrier", "sent_at")} == {
        "from": ADA,
        "to": "ACME",
        "action": "keep",
        "carrier": "alpha",
        "sent_at": None,
    }
    assert listed(ask, "/inbound", limit=2) == every
    assert listed(ask, "/inbound", key=other) == []
    assert (
        listed(ask, "/inbound?since=2100-01-01T00:00:00Z") == listed(ask, "/inbound?until=2020-01-01T00:00:00Z") == []
    )
    assert listed(ask, "/inbound?until=2100-01-01T00:00:00Z", limit=3) == every
    for cursor in ("zz", "f" * 45, "f" * 47):
        assert codes(ask("GET", f"/inbound?cursor={cursor}"))[1] == [("invalid_field", "cursor")]


# Templates --------------------------------------------------------------------------------------------------------


def test_a_message_keeps_the_text_of_the_template_it_was_made_with(ask: Ask, other: str) -> None:
    made = ask("POST", "/templates", {"slug": "ride", "body": "In ${eta} min."})
    order = {"sender": "ACME", "template": "ride", "recipients": [{"to": ADA, "merge": {"eta": "5"}}]}
    answer = ask("POST", "/messages", order).json
    sent = answer["messages"][0]["id"]

    changed = ask("PUT", "/templates/ride", {"body": "Soon: ${eta}, ${driver}", "name": "Ride"})

    assert (made.status, changed.status) == (201, 200)
    assert made.json["fields"] == ["eta"]
    assert changed.json == made.json | {
        "name": "Ride",
        "body": "Soon: ${eta}, ${driver}",
        "fields": ["eta", "driver"],
        "version": 2,
    }
    versions = ask("GET", "/templates/ride/versions").json["data"]
    assert [(each["version"], each["body"]) for each in versions] == [(2, changed.json["body"]), (1, "In ${eta} min.")]
    assert {each["made_by"].partition(":")[0] for each in versions} == {"api_key"}
    request = ask("GET", f"/requests/{answer['request_id']}").json
    assert (request["template_id"], request["template_version"]) == (made.json["id"], 1)
    assert ask("GET", f"/messages/{sent}").json["body"] == "In 5 min."
    assert codes(ask("POST", "/messages", order))[1] == [("merge_field_missing", "recipients[0].merge")]
    assert ask("GET", "/templates").json == {"data": [changed.json], "next_cursor": None}
    assert ask("GET", f"/templates/{made.json['id']}").json == changed.json
    assert codes(ask("POST", "/templates", {"slug": "ride", "body": "x"})) == (409, [("conflict", "slug")])
    assert codes(ask("POST", "/templates", {"slug": "-", "body": " "}))[0] == 400
    assert ask("GET", "/templates/ride/versions", key=other).status == 404
    assert ask("GET", "/templates/ride", key=other).status == ask("DELETE", "/templates/ride", key=other).status == 404
    assert (ask("DELETE", "/templates/ride").status, ask("DELETE", "/templates/ride").status) == (204, 404)


# Webhooks ---------------------------------------------------------------------------------------------------------


def test_webhook_endpoints_are_created_changed_rotated_and_removed(ask: Ask, other: str) -> None:
    hook = {"url": "https://93.184.215.14/hook", "events": ["message.delivered"]}
    made = ask("POST", "/webhooks", hook)
    place = f"/webhooks/{made.json['id']}"

    changed = ask("PATCH", place, {"events": [], "description": "ours", "enabled": False})
    rotated = ask("POST", f"{place}/rotate-secret")

    assert (made.status, changed.status, rotated.status) == (201, 200, 200)
    assert made.json["secret"] != rotated.json["secret"]
    shown = made.json | {"events": [], "description": "ours", "enabled": False, "secret": None}
    assert changed.json == rotated.json | {"secret": None} == ask("GET", place).json == shown
    assert ask("GET", "/webhooks").json == {"data": [shown], "next_cursor": None}
    assert codes(ask("POST", "/webhooks", {"url": "https://10.0.0.1/"})) == (400, [("invalid_field", "url")])
    assert codes(ask("POST", "/webhooks", hook | {"events": ["sms.sent"]})) == (400, [("invalid_field", "events")])
    assert [ask(*each, key=other).status for each in [("GET", place), ("DELETE", place)]] == [404, 404]
    assert (ask("DELETE", place).status, ask("GET", place).status) == (204, 404)


# Scopes -----------------------------------------------------------------------------------------------------------

SCOPED = {
    "messages:send": [("POST", "/messages"), ("POST", f"/messages/{uuid4()}/cancel")],
    "messages:read": [("GET", "/messages"), ("GET", f"/messages/{uuid4()}"), ("GET", f"/requests/{uuid4()}")],
    "inbound:read": [("GET", "/inbound")],
    "templates:read": [("GET", "/templates"), ("GET", "/templates/x"), ("GET", "/templates/x/versions")],
    "templates:write": [("POST", "/templates"), ("PUT", "/templates/x"), ("DELETE", "/templates/x")],
    "balance:read": [("GET", "/balance")],
    "campaigns:read": [("GET", "/campaigns"), ("GET", "/campaigns/x"), ("GET", "/campaigns/x/results")],
    "campaigns:write": [("POST", "/campaigns"), ("PATCH", "/campaigns/x"), ("POST", "/campaigns/x/start")],
    "campaigns:approve": [("POST", "/campaigns/x/approve")],
    "webhooks:write": [("GET", "/webhooks"), ("POST", "/webhooks"), ("DELETE", f"/webhooks/{uuid4()}")],
}


def test_a_key_may_do_what_its_scopes_allow_and_nothing_else(ask: Ask, running_gateway: RunningGateway) -> None:
    for scope, own in SCOPED.items():
        key = str(running_gateway.key(Vendor.POSTROAD, scopes=[scope], settings={"rate": 1000})["api_key"])
        for other_scope, operations in SCOPED.items():
            statuses = [
                ask(method, path, {} if method != "GET" else None, key=key).status for method, path in operations
            ]
            assert (403 in statuses) == (operations is not own), (scope, other_scope, statuses)
            assert set(statuses) <= ({403} if operations is not own else {200, 400, 404}), (
                scope,
                other_scope,
                statuses,
            )
