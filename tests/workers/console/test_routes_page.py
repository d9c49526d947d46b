"""Routes and prices in the console, and where a message to a number would go."""

import pytest
from playwright.sync_api import expect

from schema.vocabulary import Role
from tests.workers.console.conftest import Console, Eyes, open_as

MARKUP = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def admin(console: Console) -> str:
    console.world.add_carrier("beta", route="DE")
    return console.add_user("olga", Role.ADMIN)


def test_routes_and_prices_are_listed_and_narrowed(console: Console, admin: str) -> None:
    visitor = console.visitor(admin)

    everything = visitor.get("/routes").text
    narrowed = visitor.get("/routes?destination=DE").text

    assert all(f'<a href="/carriers/{name}">' in everything for name in ("alpha", "beta"))
    assert "4.00 NGN" in everything
    assert "/carriers/beta" in narrowed
    assert "/carriers/alpha" not in narrowed


def test_the_route_of_a_number_is_explained(console: Console, admin: str) -> None:
    visitor = console.visitor(admin)
    asked = {"account": "acme", "sender": "ACME", "text": "Hello"}

    german = visitor.post("/routes/explain", None, number="+491701234567", **asked)
    wrong = visitor.post("/routes/explain", None, number=MARKUP, **asked)
    unknown = visitor.post("/routes/explain", None, number="+491701234567", **asked | {"account": MARKUP})

    assert german.status == 200
    assert german.text.index("<dd>beta</dd>") < german.text.index("another destination is more specific")
    assert (wrong.status, unknown.status) == (422, 422)
    assert MARKUP not in wrong.text + unknown.text


def test_prices_are_for_those_who_may_see_money_and_routes_for_operators(console: Console, admin: str) -> None:
    viewer = console.visitor(console.add_user("vera", Role.VIEWER))
    anna = console.visitor(console.add_user("anna", Role.ADMIN, account="acme"))

    page = viewer.get("/routes")

    assert (page.status, "NGN" in page.text) == (200, False)
    assert anna.get("/routes").status == 404
    assert anna.post("/routes/explain", number="+491701234567").status == 404


def test_the_page_looks_well_and_explains_a_number(console: Console, eyes: Eyes, admin: str) -> None:
    page = open_as(eyes, console, admin)

    page.goto(f"{console.url}/routes")
    page.get_by_label("Number").fill("+491701234567")
    page.get_by_label("Account").select_option("acme")
    page.get_by_label("Sender").fill("ACME")
    page.get_by_role("button", name="Explain").click()

    expect(page.get_by_role("status")).to_contain_text("beta")
    eyes.look(page, "routes")
