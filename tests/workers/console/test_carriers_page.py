"""Carriers in the console: who may drain them, what becomes of the traffic, and what the pages show."""

import pytest
from playwright.sync_api import expect

from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.carriers import set_carrier_state
from schema.vocabulary import CarrierState, Role
from tests.workers.console.conftest import Console, Eyes, open_as
from tests.world import message_ids

#: what a carrier might say, and an operator write
MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def ops(console: Console) -> str:
    console.world.add_carrier("beta", rank=2)
    return console.add_user("olga", Role.ADMIN)


@pytest.fixture(scope="module")
def viewer(console: Console) -> str:
    return console.add_user("vera", Role.VIEWER)


def state_of(console: Console, carrier: str) -> tuple[str, str | None]:
    [found] = console.world.rows("SELECT state, reason FROM carriers WHERE name = %(name)s", name=carrier)
    state, reason = found
    return state, reason


def test_a_carrier_is_drained_with_a_reason_and_resumed_and_both_are_in_the_audit_log(
    console: Console, ops: str
) -> None:
    visitor = console.visitor(ops)

    drained = visitor.post("/carriers/beta/drain", reason="complaints")
    while_drained = state_of(console, "beta")
    resumed = visitor.post("/carriers/beta/resume")

    assert (drained.status, resumed.status) == (303, 303)
    assert while_drained == ("drained", "complaints")
    assert state_of(console, "beta") == ("active", None)
    logged = console.world.rows(
        "SELECT actor, action, after ->> 'state' FROM audit_log WHERE actor_kind = 'user' AND subject = 'beta'"
        " AND after ? 'state' ORDER BY id"
    )
    assert logged == [
        (ops, "console POST /carriers/{name}/drain", "drained"),
        (ops, "console POST /carriers/{name}/resume", "active"),
    ]


def test_a_carrier_is_limited_and_the_limit_is_taken_away(console: Console, ops: str) -> None:
    visitor = console.visitor(ops)

    answers = {pace: visitor.post("/carriers/beta/limit", pace=pace).status for pace in ("12.5", "a lot", "1e9", "nan")}
    limited = console.world.rows("SELECT segments_per_second FROM carriers WHERE name = 'beta'")
    visitor.post("/carriers/beta/limit", pace="")

    assert answers == {"12.5": 303, "a lot": 422, "1e9": 422, "nan": 422}
    assert limited == [12.5]
    assert console.world.rows("SELECT segments_per_second FROM carriers WHERE name = 'beta'") == [None]


def test_draining_requires_a_reason(console: Console, ops: str) -> None:
    answer = console.visitor(ops).post("/carriers/beta/drain", reason="  ")

    assert answer.status == 422
    assert state_of(console, "beta") == ("active", None)


def test_without_the_right_a_carrier_is_shown_and_not_changed(console: Console, ops: str, viewer: str) -> None:
    visitor = console.visitor(viewer)

    shown = visitor.get("/carriers/beta")
    changed = [visitor.post(f"/carriers/beta/{action}", reason="no").status for action in ("drain", "resume", "limit")]

    assert shown.status == 200
    assert "/carriers/beta/drain" not in shown.text
    assert changed == [403, 403, 403]
    assert state_of(console, "beta") == ("active", None)


def test_users_of_an_account_see_no_carriers(console: Console, ops: str) -> None:
    visitor = console.visitor(console.add_user("anna", Role.ADMIN, account="acme"))

    answers = [visitor.get(path).status for path in ("/carriers", "/carriers/beta")]

    assert answers == [404, 404]
    assert visitor.post("/carriers/beta/drain", reason="no").status == 404
    assert "/carriers" not in visitor.get("/").text


def test_an_unknown_carrier_is_not_found(console: Console, ops: str) -> None:
    visitor = console.visitor(ops)

    assert visitor.get("/carriers/gamma").status == 404
    assert visitor.post("/carriers/gamma/drain", reason="gone").status == 404


def test_what_carriers_and_operators_wrote_appears_as_text(console: Console, ops: str) -> None:
    console.world.add_carrier("crude", {"refuse": 1}, route="US")
    message = message_ids(console.world.send("+12025550123"))[0]
    console.world.run(
        "UPDATE provider_attempts SET code = %(words)s, detail = %(words)s WHERE message_id = %(id)s",
        words=MARKUP,
        id=message,
    )
    visitor = console.visitor(ops)
    visitor.post("/carriers/crude/drain", reason=MARKUP)

    pages = [visitor.get(path).text for path in ("/carriers", "/carriers/crude")]

    assert not any(MARKUP in page for page in pages)
    assert all("&lt;img src=x" in page for page in pages)
    assert pages[1].count("&lt;img src=x") == 3


def test_an_operator_drains_a_carrier_and_sees_the_traffic_move(console: Console, eyes: Eyes, ops: str) -> None:
    create_account(console.rt, "other", "NGN")
    console.world.send("+2348031234501")
    page = open_as(eyes, console, ops)
    page.on("dialog", lambda dialog: dialog.accept())

    page.goto(f"{console.url}/carriers")
    page.get_by_role("link", name="alpha").click()
    page.get_by_label("Reason").fill("Too many complaints")
    page.get_by_role("button", name="Drain").click()
    expect(page.get_by_role("status")).to_contain_text("drained")
    expect(page.locator("#carrier")).to_contain_text("Too many complaints")
    eyes.look(page, "carrier-drained")
    page.get_by_role("link", name="Carriers").first.click()
    row = page.get_by_role("row", name="beta")
    expect(row.get_by_role("cell").nth(4)).to_have_text("0")
    console.world.send("+2348031234502", "+2348031234503")
    page.evaluate("htmx.trigger('#carriers', 'live')")
    expect(row.get_by_role("cell").nth(4)).to_have_text("2")
    eyes.look(page, "carriers")
    page.get_by_role("link", name="alpha").click()
    page.get_by_role("button", name="Resume").click()
    expect(page.locator("#carrier")).to_contain_text("active")
    eyes.look(page, "carrier")


def test_a_carrier_drained_by_another_is_shown_as_that_without_a_reload(console: Console, eyes: Eyes, ops: str) -> None:
    page = open_as(eyes, console, ops)
    page.goto(f"{console.url}/carriers/beta")

    set_carrier_state(console.rt, "beta", CarrierState.DRAINED, "by another")
    page.evaluate("htmx.trigger('#carrier', 'live')")

    expect(page.locator("#carrier")).to_contain_text("by another")
    set_carrier_state(console.rt, "beta", CarrierState.ACTIVE)
