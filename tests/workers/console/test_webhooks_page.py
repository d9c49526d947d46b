"""Webhooks in the console: whose they are, what is called again, and what the pages show."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from playwright.sync_api import expect

from pipeline.dialects.registry import DIALECTS
from pipeline.stages.admin.accounts import create_account
from pipeline.stages.api import webhook_deliveries, webhook_endpoints
from pipeline.stages.api.webhook_deliveries import CallOutcome
from schema.vocabulary import Role
from tests.dialects.vendors import Vendor
from tests.workers.console.conftest import Console, Eyes, open_as

URL = "https://hooks.example.org/<b>sms</b>?a='b'"


@pytest.fixture(scope="module")
def support(console: Console) -> str:
    return console.add_user("sam", Role.SUPPORT)


@pytest.fixture(scope="module")
def other(console: Console) -> UUID:
    """An endpoint of another account."""
    account = create_account(console.rt, "other", "EUR")
    return make(console, account, "https://other.example.org/sms")


@pytest.fixture
def endpoint(console: Console) -> Iterator[UUID]:
    """An endpoint of the world's account, two of whose calls were given up, and one succeeded."""
    made = make(console, console.world.account, URL)
    console.world.send("+2348031234567")
    console.world.send("+2348031234568")
    queued = webhook_deliveries.claim(console.rt, {}, 10).jobs
    webhook_deliveries.record(console.rt, [CallOutcome(each, "500", accepted=False) for each in queued])
    sent = webhook_deliveries.claim(console.rt, {}, 10).jobs
    webhook_deliveries.record(console.rt, [CallOutcome(sent[0], "204", accepted=True)])
    yield made
    webhook_endpoints.remove(console.rt, None, made)


def make(console: Console, account: int, url: str) -> UUID:
    made, _ = webhook_endpoints.create(
        console.rt, account, DIALECTS[Vendor.ROBASE], url, description="<script>alert(1)</script>"
    )
    return made.id


def states(console: Console, endpoint: UUID) -> list[str]:
    return sorted(
        console.world.rows("SELECT state FROM webhook_deliveries WHERE concurrency_key = %(id)s", id=endpoint)
    )


def test_calls_are_listed_by_state_and_urls_appear_as_text(console: Console, support: str, endpoint: UUID) -> None:
    visitor = console.visitor(support)

    listed = visitor.get("/webhooks").text
    page = visitor.get(f"/webhooks/{endpoint}").text
    counts = {
        state: visitor.get(f"/webhooks/{endpoint}?state={state}").text.count("/messages/")
        for state in ("waiting", "delivered", "dead")
    }

    assert not any(each in listed + page for each in ("<b>sms", "<script>alert"))
    assert "&lt;b&gt;sms" in listed
    assert counts == {"waiting": 1, "delivered": 1, "dead": 2}
    assert visitor.get(f"/webhooks/{endpoint}?state=lost").status == 404
    assert visitor.get(f"/webhooks/{endpoint}?cursor=lost").status == 422


def test_one_call_is_made_again_and_calls_that_were_given_up_since_a_time_are_recovered(
    console: Console, support: str, endpoint: UUID
) -> None:
    [dead, _] = console.world.rows(
        "SELECT id FROM webhook_deliveries WHERE concurrency_key = %(id)s AND state = 'dead' ORDER BY id", id=endpoint
    )
    visitor = console.visitor(support)

    once = visitor.post(f"/webhooks/{endpoint}/replay", delivery=str(dead))
    after_one = states(console, endpoint)
    nothing = visitor.post(f"/webhooks/{endpoint}/recover", since="2999-01-01T00:00", which="dead")
    recovered = visitor.post(f"/webhooks/{endpoint}/recover", since="2000-01-01T00:00", which="dead")

    assert "again" in once.headers["location"]
    assert after_one == ["dead", "delivered", "waiting", "waiting"]
    assert "0+calls" in nothing.headers["location"]
    assert "1+call+" in recovered.headers["location"]
    assert states(console, endpoint) == ["delivered", "waiting", "waiting", "waiting"]
    logged = console.world.rows(
        "SELECT actor, action, account_id, after FROM audit_log WHERE subject_table = 'webhook_deliveries'"
        " ORDER BY id DESC LIMIT 2"
    )
    assert logged == [
        (support, f"console POST /webhooks/{{id}}/{what}", console.world.account, {"replayed": 1})
        for what in ("recover", "replay")
    ]
    assert visitor.post(f"/webhooks/{endpoint}/recover", since="soon").status == 422
    assert visitor.post(f"/webhooks/{endpoint}/recover", since="").status == 422


def test_a_suspended_endpoint_is_resumed(console: Console, support: str, other: UUID) -> None:
    console.world.run("UPDATE webhook_endpoints SET state = 'suspended' WHERE id = %(id)s", id=other)

    answer = console.visitor(support).post(f"/webhooks/{other}/resume")

    assert answer.status == 303
    assert console.world.rows("SELECT state FROM webhook_endpoints WHERE id = %(id)s", id=other) == ["active"]


def test_without_the_right_nothing_is_called_again(console: Console, endpoint: UUID) -> None:
    visitor = console.visitor(console.add_user("vera", Role.VIEWER))
    before = states(console, endpoint)

    shown = visitor.get(f"/webhooks/{endpoint}?state=dead")
    answers = [
        visitor.post(f"/webhooks/{endpoint}/{what}", since="2000-01-01T00:00", which="all").status
        for what in ("replay", "recover", "resume")
    ]

    assert shown.status == 200
    assert "/recover" not in shown.text
    assert answers == [403, 403, 403]
    assert states(console, endpoint) == before


def test_a_user_of_an_account_sees_and_replays_its_own_alone(console: Console, endpoint: UUID, other: UUID) -> None:
    visitor = console.visitor(console.add_user("otto", Role.ADMIN, account="other"))
    [foreign, *_] = console.world.rows(
        "SELECT id FROM webhook_deliveries WHERE concurrency_key = %(id)s AND state <> 'waiting'", id=endpoint
    )
    before = states(console, endpoint)

    listed = [visitor.get(path).text for path in ("/webhooks", "/webhooks?account=acme")]
    answers = [visitor.get(f"/webhooks/{endpoint}").status] + [
        visitor.post(f"/webhooks/{endpoint}/{what}", since="2000-01-01T00:00", which="all").status
        for what in ("replay", "recover", "resume")
    ]
    sneaked = visitor.post(f"/webhooks/{other}/replay", delivery=str(foreign))

    assert all("other.example.org" in each and "hooks.example.org" not in each for each in listed)
    assert answers == [404, 404, 404, 404]
    assert sneaked.status == 303
    assert states(console, endpoint) == before


def test_the_pages_look_well_and_a_call_is_made_again(
    console: Console, eyes: Eyes, support: str, endpoint: UUID
) -> None:
    console.world.run(
        "UPDATE webhook_deliveries SET state = 'dead', done_at = now(), answer = '500' WHERE id IN"
        " (SELECT id FROM webhook_deliveries WHERE concurrency_key = %(id)s ORDER BY id LIMIT 2)",
        id=endpoint,
    )
    page = open_as(eyes, console, support)

    page.goto(f"{console.url}/webhooks")
    eyes.look(page, "webhooks")
    page.get_by_role("link", name="hooks.example.org").click()
    page.get_by_role("link", name="Given up").click()
    eyes.look(page, "webhook")
    page.get_by_role("button", name="Call again").first.click()

    expect(page.get_by_role("status")).to_contain_text("again")
