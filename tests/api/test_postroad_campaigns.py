"""Campaigns over Postroad's own API: created, loaded, checked, quoted, approved, controlled, and their results."""

import csv
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from pipeline.dialects.registry import DIALECTS
from pipeline.rules.numbers.number_masking import masked_number
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.prices import set_price
from pipeline.stages.admin.wallets import top_up
from pipeline.stages.api import webhook_endpoints
from pipeline.store.api import account_messages
from schema.vocabulary import Status
from tests.api.conftest import Answer, RunningGateway
from tests.dialects.vendors import Vendor, issue
from tests.stages.launched import Launched
from tests.world import World
from workers.campaign_checking import check_all
from workers.campaign_wiring import expand_portion
from workers.wiring import index_new

Ask = Callable[..., Answer]

ADA, BEN, EVA = "+2348012345678", "+2348087654321", "+2348011111111"
SPRING: dict[str, Any] = {"name": "spring", "sender": "ACME", "body": "Hello ${name}"}


@pytest.fixture
def ask(running_gateway: RunningGateway) -> Ask:
    """Call an operation with a live key of acme, unless another is given."""
    token = running_gateway.key(Vendor.POSTROAD, settings={"rate": 1000})["api_key"]

    def call(method: str, path: str, body: Any = None, key: str | None = None, accept: str = "*/*") -> Answer:
        headers = {"Authorization": f"Bearer {key or token}", "Accept": accept}
        return running_gateway.ask(method, f"/postroad/v1{path}", body, headers)

    return call


def codes(answer: Answer) -> tuple[int, list[str]]:
    assert answer.headers["content-type"] == "application/problem+json", answer
    return answer.status, [each["code"] for each in answer.json["errors"]]


def recipients(*numbers: str) -> dict[str, Any]:
    return {"recipients": [{"to": number, "merge": {"name": "Ada"}} for number in numbers]}


def quoted(ask: Ask, world: World, *numbers: str, **fields: Any) -> Any:
    """Create, load and check a campaign; return it."""
    made = ask("POST", "/campaigns", SPRING | fields).json
    assert ask("PUT", f"/campaigns/{made['id']}/recipients/1", recipients(*numbers)).status == 200
    assert ask("POST", f"/campaigns/{made['id']}/check").status == 202
    check_all(world.rt, UUID(made["id"]))
    return ask("GET", f"/campaigns/{made['id']}").json


def test_a_campaign_is_created_loaded_checked_and_quoted(ask: Ask, world: World) -> None:
    made = ask("POST", "/campaigns", SPRING | {"per_hour": 1000, "country": "NG"})
    page = {"recipients": [*recipients("0801 234 5678", BEN, ADA)["recipients"], {"to": "12"}, {"colour": 1}]}
    loaded, again = (ask("PUT", "/campaigns/spring/recipients/1", page) for _ in range(2))

    checking = ask("POST", "/campaigns/spring/check")
    check_all(world.rt, UUID(made.json["id"]))
    found, quote = ask("GET", "/campaigns/spring"), ask("GET", f"/campaigns/{made.json['id']}/quote")

    assert (made.status, made.json["state"], made.json["per_hour"], made.json["progress"]) == (201, "draft", 1000, None)
    assert made.json["created_by"].startswith("api_key:")
    assert (loaded.status, loaded.json["new"], loaded.json["known"], loaded.json["faulty"]) == (200, 5, 0, 2)
    assert [each["line"] for each in loaded.json["faults"]] == [4, 5]
    assert (again.status, again.json["new"], again.json["known"]) == (200, 0, 5)
    assert (checking.status, checking.json["state"]) == (202, "checking")
    assert (found.status, found.json["state"]) == (200, "quoted")
    assert {name: found.json["progress"][name] for name in ("recipients", "pending", "sent", "skipped")} == {
        "recipients": 5,
        "pending": 2,
        "sent": 0,
        "skipped": 3,
    }
    assert (quote.json["messages"], quote.json["segments"], quote.json["cost"]["amount"]) == (2, 2, "8.00")
    assert sorted(each["code"] for each in quote.json["skipped"]) == ["duplicate", "malformed", "phone_invalid"]
    assert quote.json["lacking"] == {"amount": "0.00", "currency": "NGN"}
    assert quote.json["valid_until"].endswith("Z")
    assert [each["name"] for each in quote.json["by_country"]] == ["NG"]
    shown = ask("GET", "/campaigns/spring/previews/2").json
    assert (shown["body"], shown["to"], shown["cost"]["amount"], shown["error"]) == ("Hello Ada", BEN, "4.00", None)


def test_a_campaign_is_approved_started_paused_resumed_and_aborted(ask: Ask, world: World) -> None:
    webhook_endpoints.create(world.rt, world.account, DIALECTS[Vendor.POSTROAD], "https://93.184.215.14/")
    campaign = quoted(ask, world, ADA, BEN, EVA)
    place = f"/campaigns/{campaign['id']}"

    dear = ask("POST", f"{place}/approve", {"max_cost": "11.99"})
    approved = ask("POST", f"{place}/approve", {"max_cost": "12.00"})
    started = ask("POST", f"{place}/start")
    expand_portion(world.rt, UUID(campaign["id"]))
    paused = ask("POST", f"{place}/pause", {"reason": "a typo"})
    limited = ask("PATCH", f"{place}/limits", {"per_hour": 100})
    resumed = ask("POST", f"{place}/resume")
    results = ask("GET", f"{place}/results?limit=2")
    rest = ask("GET", f"{place}/results?limit=2&cursor={results.json['next_cursor']}")
    counts = ask("GET", f"{place}/counts")
    aborted = ask("POST", f"{place}/abort")
    again = ask("POST", f"{place}/abort", {"reason": "x"})

    assert codes(dear) == (409, ["conflict"])
    assert (approved.status, approved.json["state"], approved.json["max_cost"]["amount"]) == (200, "approved", "12.00")
    assert (started.status, started.json["state"]) == (200, "running")
    assert (paused.status, paused.json["state"], paused.json["reason"]) == (200, "paused", "a typo")
    assert (limited.status, limited.json["per_hour"]) == (200, 100)
    assert (resumed.status, resumed.json["state"]) == (200, "running")
    rows = results.json["data"] + rest.json["data"]
    assert [(each["line"], each["to"], each["outcome"]) for each in rows] == [
        (1, ADA, "sent"),
        (2, BEN, "sent"),
        (3, EVA, "sent"),
    ]
    assert rest.json["next_cursor"] is None
    messages = [each["message_id"] for each in rows]
    assert [ask("GET", f"/messages/{id_}").status for id_ in messages] == [200] * 3
    assert [each["id"] for each in ask("GET", "/messages").json["data"]] == messages[::-1]
    assert counts.json["by_country"][0]["statuses"]["queued"] == 3
    assert (aborted.status, aborted.json["state"]) == (200, "aborted")
    assert codes(again) == (409, ["conflict"])
    reported = world.rows("SELECT DISTINCT status FROM webhook_deliveries WHERE NOT starts_with(status, 'campaign_')")
    assert reported[0] == Status.QUEUED


def test_a_campaign_that_reserves_its_quote_is_started_only_if_there_is_enough(ask: Ask, world: World) -> None:
    set_price(world.rt, "NG", None, 400_000, "acme")
    campaign = quoted(ask, world, ADA, BEN, EVA, reserve=True, not_within_hours=48)
    place = f"/campaigns/{campaign['id']}"
    assert ask("POST", f"{place}/approve").status == 200
    refused = ask("POST", f"{place}/start")
    top_up(world.rt, "acme", 200_000, "more")
    started = ask("POST", f"{place}/start")
    balance, found = ask("GET", "/balance").json, ask("GET", place).json

    assert codes(refused) == (402, ["insufficient_funds"])
    assert "top up, then repeat it" in refused.json["detail"]
    assert (started.status, started.json["state"]) == (200, "running")
    assert {name: each["amount"] for name, each in balance.items()} == {"balance": "0.00", "reserved": "12000.00"}
    assert (found["reserve"], found["progress"]["reserved"]["amount"]) == (True, "12000.00")
    assert (found["not_within_hours"], campaign["progress"]["reserved"]) == (48, None)


def test_results_and_errors_are_csv_on_request_in_pages_that_make_one_file(
    ask: Ask, world: World, running_gateway: RunningGateway
) -> None:
    campaign = quoted(ask, world, ADA, BEN, "12", ADA, EVA)
    ask("POST", "/campaigns/spring/approve")
    ask("POST", "/campaigns/spring/start")
    expand_portion(world.rt, UUID(campaign["id"]))
    masking = running_gateway.key(Vendor.POSTROAD, scopes=["campaigns:read"])["api_key"]

    first = ask("GET", "/campaigns/spring/results?format=csv&limit=3")
    [next_page] = re.findall('<([^>]+)>; rel="next"', first.headers["link"])
    rest = ask("GET", f"/campaigns/spring/results{next_page}")
    whole = ask("GET", "/campaigns/spring/results", accept="text/csv")
    errors = ask("GET", "/campaigns/spring/errors", accept="text/csv")
    listed = ask("GET", "/campaigns/spring/errors?limit=1")
    masked = ask("GET", "/campaigns/spring/results?format=csv", key=masking)

    assert (first.headers["content-type"], rest.headers["content-type"]) == (
        "text/csv; charset=utf-8; header=present",
        "text/csv; charset=utf-8; header=absent",
    )
    assert "link" not in rest.headers
    assert first.body + rest.body == whole.body
    rows = list(csv.DictReader(whole.body.decode().splitlines()))
    shown = [{**each, "number": masked_number(each["number"])} for each in rows]
    assert shown == list(csv.DictReader(masked.body.decode().splitlines()))
    assert [(each["line"], each["number"], each["outcome"], each["cost"]) for each in rows if each["cost"]] == [
        *(("1", ADA, "sent", "400"), ("2", BEN, "sent", "400"), ("5", EVA, "sent", "400"))
    ]
    assert errors.body.decode().splitlines()[0] == "line,verdict,fault,phone,correlation_id"
    assert [each.split(",")[1] for each in errors.body.decode().splitlines()[1:]] == ["phone_invalid", "duplicate"]
    assert (listed.json["next_cursor"], listed.json["data"][0]["verdict"]) == ("3", "phone_invalid")
    for path in ("results", "errors"):
        assert ask("GET", f"/campaigns/spring/{path}", key=masking).json["data"][0]["to"] in ("+2348*******78", "**")
        assert codes(ask("GET", f"/campaigns/spring/{path}?limit=201")) == (400, ["invalid_field"])
        assert codes(ask("GET", f"/campaigns/spring/{path}?format=xlsx")) == (400, ["invalid_field"])
        assert ask("GET", f"/campaigns/spring/{path}", accept="text/csv, application/json").json["data"]
    assert ask("GET", "/campaigns/spring/previews/1", key=masking).json["to"] == "+2348*******78"


REFUSED: dict[str, tuple[str, str, Any, int, str]] = {
    "no name": ("POST", "", {"sender": "ACME", "body": "x"}, 400, "missing_field"),
    "an account": ("POST", "", SPRING | {"account": "bolt"}, 400, "invalid_field"),
    "a sender that is not registered": ("POST", "", SPRING | {"sender": "OTHER"}, 400, "invalid_field"),
    "a number that is text": ("POST", "", SPRING | {"per_hour": "7"}, 400, "invalid_field"),
    "its name is taken": ("POST", "", SPRING, 409, "conflict"),
    "a change of its name": ("PATCH", "/spring", {"name": "summer"}, 400, "invalid_field"),
    "recipients that are none": ("PUT", "/spring/recipients/1", {"recipients": {}}, 400, "missing_field"),
    "page 0": ("PUT", "/spring/recipients/0", {"recipients": [{"to": ADA}]}, 400, "invalid_field"),
    "two audiences": ("POST", "/spring/exclusions", {"numbers": [], "recipients_of": "x"}, 400, "invalid_field"),
    "another that is not there": ("POST", "/spring/exclusions", {"recipients_of": "x"}, 404, "not_found"),
    "no quote yet": ("GET", "/spring/quote", None, 409, "conflict"),
    "no such line": ("GET", "/spring/previews/9", None, 404, "not_found"),
    "not checked yet": ("POST", "/spring/approve", None, 409, "conflict"),
    "no amount": ("POST", "/spring/approve", {"max_cost": "12.345"}, 400, "invalid_field"),
    "not approved yet": ("POST", "/spring/start", None, 409, "conflict"),
    "not running": ("POST", "/spring/pause", None, 409, "conflict"),
    "no limit": ("PATCH", "/spring/limits", {}, 400, "invalid_field"),
    "no such campaign": ("GET", "/summer", None, 404, "not_found"),
}


def test_what_a_campaign_does_not_allow_is_refused(ask: Ask) -> None:
    assert ask("POST", "/campaigns", SPRING).status == 201

    for words, (method, path, body, status, code) in REFUSED.items():
        assert codes(ask(method, f"/campaigns{path}", body)) == (status, [code]), words


def test_audiences_are_left_out_and_a_change_makes_the_quote_void(ask: Ask, world: World) -> None:
    quoted(ask, world, ADA, BEN, EVA)

    excluded = ask("POST", "/campaigns/spring/exclusions", {"numbers": [ADA, "12"]})
    changed = ask("PATCH", "/campaigns/spring", {"body": "Bye ${name}"})

    assert (excluded.status, excluded.json) == (200, {"left_out": 1, "invalid_numbers": 1})
    assert (changed.status, changed.json["state"], changed.json["body"]) == (200, "stale", "Bye ${name}")
    assert codes(ask("POST", "/campaigns/spring/approve")) == (409, ["conflict"])


def test_campaigns_are_seen_by_keys_of_their_account_and_tests_alone_by_test_keys(
    ask: Ask, world: World, running_gateway: RunningGateway
) -> None:
    create_account(world.rt, "bolt", "NGN")
    other = issue(world.rt, "bolt", Vendor.POSTROAD, settings={"rate": 1000}).credentials["api_key"]
    trial = running_gateway.key(Vendor.POSTROAD, test=True, settings={"rate": 1000})["api_key"]
    live = [ask("POST", "/campaigns", SPRING | {"name": f"live {n}"}).json["id"] for n in range(3)]
    tested = ask("POST", "/campaigns", SPRING | {"name": "tried"}, trial).json

    first = ask("GET", "/campaigns?limit=3").json
    second = ask("GET", f"/campaigns?limit=3&cursor={first['next_cursor']}").json

    assert tested["test"] is True
    assert [each["id"] for each in first["data"] + second["data"]] == [tested["id"], *live[::-1]]
    assert second["next_cursor"] is None
    assert [each["id"] for each in ask("GET", "/campaigns", key=trial).json["data"]] == [tested["id"]]
    assert ask("GET", "/campaigns", key=other).json["data"] == []
    for key in (other, trial):
        assert {ask("GET", f"/campaigns/{id_}", key=key).status for id_ in live} == {404}
        assert ask("POST", f"/campaigns/{live[0]}/abort", key=key).status == 404
    assert codes(ask("PATCH", f"/campaigns/{tested['id']}", {"test": False}, trial))[0] == 400
    assert ask("GET", f"/campaigns/{uuid4()}").status == 404


def test_a_series_is_begun_and_ended(ask: Ask, world: World) -> None:
    daily = {
        "send_at": (world.rt.now() + timedelta(days=1)).isoformat(),
        "repeat": "FREQ=DAILY",
        "time_zone": "Africa/Lagos",
    }
    campaign = quoted(ask, world, ADA, **daily, local_hours="08:00-20:00")
    place = f"/campaigns/{campaign['id']}"
    for step in ("approve", "start"):
        assert ask("POST", f"{place}/{step}").status == 200
    begun, ended, again = (ask(*call) for call in (("GET", place), *[("POST", f"{place}/end-repeat")] * 2))
    refused = ask("POST", "/campaigns", SPRING | daily | {"name": "x", "repeat": "FREQ=HOURLY"})

    assert (begun.json["repeat"], begun.json["time_zone"]) == ("FREQ=DAILY", "Africa/Lagos")
    assert (begun.json["series_id"], begun.json["local_hours"]) == (campaign["id"], "08:00-20:00")
    assert (begun.json["next_at"] > begun.json["send_at"], begun.json["repeat_ended"]) == (True, None)
    assert (ended.status, ended.json["next_at"], ended.json["state"]) == (200, None, "scheduled")
    assert ended.json["repeat_ended"].startswith("ended by api_key:")
    assert codes(again) == (409, ["conflict"])
    assert refused.status in (400, 422)
    assert "FREQ is DAILY" in refused.json["errors"][0]["detail"]


def test_messages_are_listed_by_their_campaign(ask: Ask, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add_carrier("beta", route="GB")
    world.send(ADA)
    numbers = [ADA, "+447400123456", BEN, "+447400123457", EVA]
    campaigns = [Launched(world, numbers), Launched(world, [ADA])]
    for each in campaigns:
        each.run()
    first, second = (sorted(map(str, each.messages().values()), reverse=True) for each in campaigns)
    monkeypatch.setattr(account_messages, "EXAMINED_REQUESTS", 1)

    def found(query: str) -> list[str]:
        ids, cursor = [], ""
        while True:
            page = ask("GET", f"/messages?{query}&limit=2{cursor}").json
            ids += [each["id"] for each in page["data"]]
            if page["next_cursor"] is None:
                return ids
            cursor = f"&cursor={page['next_cursor']}"

    assert len(first) == 5
    assert found(f"campaign={campaigns[0].id}") == first
    assert found(f"campaign={campaigns[1].id}&status=sent") == second
    assert found(f"campaign={campaigns[1].id}&status=failed") == []
    index_new(world.rt)
    assert found(f"campaign={campaigns[1].id}&to=%2B2348012345678") == second
    assert codes(ask("GET", "/messages?campaign=winter")) == (404, ["not_found"])
