"""Opt-outs in the console: listed with masked numbers, searched, revealed, added and removed, each by its account."""

import re

import pytest
from playwright.sync_api import expect

from pipeline.stages.admin.accounts import create_account
from pipeline.stages.admin.compliance import import_opt_outs, opt_out
from schema.vocabulary import Role
from tests.workers.console.conftest import Answer, Console, Eyes, open_as

ADA, BEN, EVE, FAY = "+2348012345678", "+2348012345679", "+2348012345670", "+2348012349978"


@pytest.fixture(scope="module")
def support(console: Console) -> str:
    """A user who may change opt-outs; another account has one, and so has every account."""
    create_account(console.rt, "other", "EUR")
    opt_out(console.rt, "other", BEN)
    opt_out(console.rt, None, EVE)
    return console.add_user("sam", Role.SUPPORT)


@pytest.fixture(scope="module")
def otto(console: Console, support: str) -> str:
    return console.add_user("otto", Role.ADMIN, account="other")


def token(page: Answer) -> str:
    found = re.search(r'name="token" value="([^"]+)"', page.text)
    assert found
    return found[1]


def kept(console: Console, number: str) -> list[tuple[int, str, str]]:
    return console.world.rows(
        "SELECT account_id, sender, class FROM opt_outs WHERE phone = %(phone)s ORDER BY account_id", phone=number
    )


def test_a_number_is_opted_out_found_revealed_and_opted_in(console: Console, support: str) -> None:
    alone = console.add_user("sue", Role.SUPPORT)
    visitor = console.visitor(alone)

    added = visitor.post(
        "/opt-outs/add", None, number="0801 234 9978", country="ng", account="acme", sender="ACME", **{"class": "bulk"}
    )
    listed = visitor.get("/opt-outs?account=acme")
    found = visitor.post("/opt-outs/search", number="08012349978", country="NG")
    revealed = visitor.post("/opt-outs/reveal", token=token(listed))
    stored = kept(console, FAY)
    removed = visitor.post("/opt-outs/remove", token=token(found))

    assert (added.status, removed.status) == (303, 303)
    assert stored == [(console.world.account, "ACME", "bulk")]
    assert FAY not in listed.text + found.text
    assert "+2348*******78" in listed.text
    assert FAY in revealed.text
    assert kept(console, FAY) == []
    logged = console.world.rows(
        "SELECT action, account_id FROM audit_log WHERE actor = %(who)s AND subject_table = 'opt_outs' ORDER BY id",
        who=alone,
    )
    assert logged == [(f"console POST /opt-outs/{what}", console.world.account) for what in ("add", "reveal", "remove")]


def test_what_is_no_number_is_refused(console: Console, support: str) -> None:
    visitor = console.visitor(support)

    assert visitor.post("/opt-outs/add", number="hello").status == 422
    assert visitor.post("/opt-outs/add", None, number=ADA, **{"class": "all"}).status == 422
    assert visitor.post("/opt-outs/search", number="<b>hello</b>").text.count("&lt;b&gt;hello") >= 1
    assert visitor.post("/opt-outs/remove", token="guessed").status == 422
    assert visitor.get("/opt-outs?cursor=guessed").status == 422


def test_without_the_right_no_opt_out_changes(console: Console, support: str) -> None:
    visitor = console.visitor(console.add_user("vera", Role.VIEWER))
    key = token(console.visitor(support).get("/opt-outs?account=other"))

    answers = [
        visitor.post(path, number=ADA, token=key).status
        for path in ("/opt-outs/add", "/opt-outs/remove", "/opt-outs/reveal")
    ]

    assert visitor.get("/opt-outs").status == 200
    assert answers == [403, 403, 403]
    assert len(kept(console, BEN)) == 1


def test_a_user_of_an_account_sees_and_changes_its_own_alone(console: Console, support: str, otto: str) -> None:
    opt_out(console.rt, "acme", ADA)
    operator, visitor = console.visitor(support), console.visitor(otto)
    foreign = token(operator.get("/opt-outs?account=acme"))
    everybody = token(operator.post("/opt-outs/search", number=EVE))

    listed = visitor.get("/opt-outs?account=acme").text
    of_all = visitor.post("/opt-outs/search", number=EVE)
    answers = [
        visitor.post(path, token=key).status
        for path in ("/opt-outs/remove", "/opt-outs/reveal")
        for key in (foreign, everybody)
    ]
    visitor.post("/opt-outs/add", number=ADA, account="acme")

    assert listed.count("<td>other</td>") == 1
    assert "<td>acme</td>" not in listed
    assert "<td>every</td>" in of_all.text
    assert 'name="token"' not in of_all.text
    assert answers == [404, 404, 404, 404]
    [other] = console.world.rows("SELECT id FROM accounts WHERE name = 'other'")
    assert kept(console, ADA) == [(console.world.account, "", ""), (other, "", "")]


def test_pages_have_each_opt_out_once_and_no_number_is_in_their_urls(console: Console, support: str) -> None:
    import_opt_outs(console.rt, "acme", [f"+23480300000{n:02}" for n in range(99)])
    [count] = console.world.rows("SELECT count(*) FROM opt_outs")
    visitor = console.visitor(support)
    path, tokens = "/opt-outs", set()

    while path:
        page = visitor.get(path).text
        tokens |= set(re.findall(r'value="([^"]+)" aria-label="Opt', page))
        path = page.partition('<p class="pages"><a href="')[2].partition('"')[0].replace("&amp;", "&")
        assert "234803" not in path

    assert len(tokens) == count


def test_the_page_looks_well_and_opts_a_number_out(console: Console, eyes: Eyes, support: str) -> None:
    page = open_as(eyes, console, support)
    page.on("dialog", lambda dialog: dialog.accept())

    page.goto(f"{console.url}/opt-outs")
    form = page.locator("form[action='/opt-outs/add']")
    form.get_by_label("Number").fill("+2348031110000")
    form.get_by_role("button", name="Opt out").click()
    expect(page.get_by_role("status")).to_contain_text("opted out")
    eyes.look(page, "opt-outs")
    page.get_by_role("search").get_by_label("Number").fill("+2348031110000")
    page.get_by_role("button", name="Search").click()
    page.get_by_role("button", name="Opt +2348").click()
    expect(page.get_by_role("status")).to_contain_text("removed")
